//! Geometric SMOTE: new rows in a ball around a row of the class, where SMOTE has a line.
//!
//! G. Douzas and F. Bacao, "Geometric SMOTE: a geometrically enhanced drop-in replacement for SMOTE", Information Sciences
//! 501, 2019. The centre is a drawn row of the class; the surface of the ball goes through one of its k nearest rows of the
//! class (`minority`), through the nearest row of the other class (`majority`), or through the nearer of these two
//! (`combined`). A point is drawn uniformly in the unit ball; then
//!
//! - truncation t: with u the direction to the surface row, a point with `x·u < t − 1` (t > 0) or `x·u > t + 1` (t < 0) is
//!   mirrored to the other side, so that t = 1 leaves the half ball towards the surface row;
//! - deformation d: the part of the point that is perpendicular to u is multiplied by 1 − d, so that d = 1 leaves a line;
//! - it is moved and stretched to the centre and the radius.
//!
//! The ball is one of the numeric columns. Categories go to the one that most of the k nearest rows of the class have.
//! New rows can lie outside the range of the class.

use super::categories::Categories;
use super::grow::Growing;
use super::lines::Field;
use super::smote::fitting_k;
use super::{Outcome, ResampleError, Task, random_over, rows_of};
use crate::ml::config::{ResampleMethod, SelectionStrategy};
use crate::ml::neighbours::{Neighbours, Reach};
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, method: &ResampleMethod) -> Result<Outcome, ResampleError> {
    let ResampleMethod::GeometricSmote { k_neighbors, truncation_factor, deformation_factor, selection_strategy } =
        *method
    else {
        return Ok(Outcome::grown(set));
    };
    let (class, count) = task.rows_to_add(&set)?;
    if count == 0 {
        return Ok(Outcome::grown(set));
    }
    let members = rows_of(&set.labels, class);
    let Some(k) = fitting_k(task, "k_neighbors", members.len(), k_neighbors) else {
        return random_over::copy(task, set, class, count);
    };
    let surroundings = task.part(0.0..0.8, |task| Surroundings::of(task, &set, members, class, k))?;
    let ball = Ball { truncation: truncation_factor, deformation: deformation_factor };
    let numbers = set.kinds.numeric_columns(set.features.ncols());
    let groups = set.kinds.categories.clone();
    task.part(0.8..1.0, |task| {
        let mut growing = Growing::new(set, class, count);
        for _ in 0..count {
            let (member, surface) = surroundings.draw(task, selection_strategy);
            let centre = surroundings.members[member];
            let point = ball.draw_direction(task, numbers.len());
            growing.push(task, [centre, surface], |rows, out| {
                let at = |row: usize| numbers.iter().map(|&column| rows[[row, column]]).collect::<Vec<_>>();
                let values = ball.place(&at(centre), &at(surface), point);
                numbers.iter().zip(values).for_each(|(&column, value)| out[column] = value);
                Categories::take(&groups, rows, &surroundings.votes[member], out);
            })?;
        }
        Ok(Outcome::grown(growing.finish()))
    })
}

/// What is around each row of the class.
struct Surroundings {
    members: Vec<usize>,
    /// The k nearest rows of the class, with squared distances.
    own: Vec<Vec<(usize, f64)>>,
    /// The nearest row of the other class, with its squared distance.
    other: Vec<(usize, f64)>,
    /// For each member and column of categories the row that it is taken from.
    votes: Vec<Vec<usize>>,
}

impl Surroundings {
    fn of(task: &mut Task<'_>, set: &TrainSet, members: Vec<usize>, class: bool, k: usize) -> Result<Self, Stop> {
        let field = Field::of(set, &members);
        let found = task.part(0.0..0.5, |task| field.neighbours(task, &members, k))?;
        let others = rows_of(&set.labels, !class);
        let across = task.part(0.5..1.0, |task| {
            let index = Neighbours::among(set.features.view(), &others);
            index.of_places(&members, 1, Reach::Nearest, task.progress)
        })?;
        let categories = task.categories(set, 1.0)?;
        let own =
            |query: usize| found.of(query).iter().map(|near| (members[near.row], near.squared_distance)).collect();
        let other = |query: usize| {
            let near = across.of(query).first();
            near.map_or((members[query], 0.0), |near| (near.row, near.squared_distance))
        };
        let vote = |query: usize| categories.vote(members[query], &field.found(&found, query));
        let all = 0..members.len();
        let (own, other) = (all.clone().map(own).collect(), all.clone().map(other).collect());
        let votes = all.map(vote).collect();
        Ok(Self { own, other, votes, members })
    }

    /// A member as the centre, and the row that the surface goes through.
    fn draw(&self, task: &mut Task<'_>, strategy: SelectionStrategy) -> (usize, usize) {
        let member = task.draws.below(self.members.len());
        let own = self.own[member][task.draws.below(self.own[member].len())];
        let other = self.other[member];
        let surface = match strategy {
            SelectionStrategy::Minority => own,
            SelectionStrategy::Majority => other,
            SelectionStrategy::Combined if other.1 < own.1 => other,
            SelectionStrategy::Combined => own,
        };
        (member, surface.0)
    }
}

struct Ball {
    truncation: f64,
    deformation: f64,
}

impl Ball {
    /// A point that is uniform in the unit ball.
    fn draw_direction(&self, task: &mut Task<'_>, dimensions: usize) -> Vec<f64> {
        let normals: Vec<f64> = (0..dimensions).map(|_| task.draws.normal()).collect();
        let length = dot(&normals, &normals).sqrt();
        let radius = task.draws.uniform().powf(1.0 / dimensions.max(1) as f64);
        normals.iter().map(|normal| if length > 0.0 { radius * normal / length } else { 0.0 }).collect()
    }

    /// The point, truncated and deformed towards `surface`, around `centre`.
    fn place(&self, centre: &[f64], surface: &[f64], mut point: Vec<f64>) -> Vec<f64> {
        let away: Vec<f64> = surface.iter().zip(centre).map(|(a, b)| a - b).collect();
        let radius = dot(&away, &away).sqrt();
        if radius <= 0.0 {
            return centre.to_vec();
        }
        let along: Vec<f64> = away.iter().map(|part| part / radius).collect();
        let mut height = dot(&point, &along);
        let t = self.truncation;
        if (t > 0.0 && height < t - 1.0) || (t < 0.0 && height > t + 1.0) {
            point.iter_mut().zip(&along).for_each(|(part, along)| *part -= 2.0 * height * along);
            height = -height;
        }
        let flat = |(part, along): (&f64, &f64)| height * along + (1.0 - self.deformation) * (part - height * along);
        let shaped = point.iter().zip(&along).map(flat);
        centre.iter().zip(shaped).map(|(centre, part)| centre + radius * part).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::{Ball, dot};

    #[test]
    fn truncation_mirrors_and_deformation_flattens() {
        let ball = |truncation, deformation| Ball { truncation, deformation };
        let (centre, surface) = ([1.0, 1.0], [3.0, 1.0]);
        let place = |ball: Ball, point: [f64; 2]| ball.place(&centre, &surface, point.to_vec());
        assert_eq!(place(ball(0.0, 0.0), [-0.5, 0.25]), [0.0, 1.5]);
        assert_eq!(place(ball(1.0, 0.0), [-0.5, 0.25]), [2.0, 1.5]);
        assert_eq!(place(ball(-1.0, 0.0), [0.5, 0.25]), [0.0, 1.5]);
        assert_eq!(place(ball(0.5, 0.0), [-0.25, 0.25]), [0.5, 1.5]);
        assert_eq!(place(ball(0.0, 1.0), [-0.5, 0.25]), [0.0, 1.0]);
        assert_eq!(ball(0.0, 0.0).place(&centre, &centre, vec![0.5, 0.5]), centre);
        assert_eq!(dot(&centre, &surface), 4.0);
    }
}
