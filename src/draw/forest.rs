//! Estimates with their intervals, one below the other.

use plotters::prelude::{Circle, PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor};

use super::DrawError;
use super::bars::ticks;
use super::canvas::{Area, Entry, LABEL, Sample, error, text_style};
use super::palette::{Role, Theme};
use super::text::{fit, number, width};

/// More than this have no room.
const MAX_ROWS: usize = 24;
/// Where intervals may begin and end.
const LEFT: i32 = 390;
const RIGHT: i32 = 920;
/// Where the columns of numbers end.
const COLUMNS: [i32; 2] = [1_040, 1_168];
const HEAD: i32 = 44;
const ROW: i32 = 48;
const BOTTOM: i32 = 116;

/// Rows that can be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// What is estimated, with its unit.
    pub label: String,
    /// What stands above the two columns of numbers.
    pub columns: [String; 2],
    /// From the top; the first twenty-four are drawn.
    pub rows: Vec<Stem>,
    /// What rows are held against: its name, and where it lies.
    pub reference: Option<(String, f64)>,
    /// What the shapes that are used mean.
    pub legend: Vec<(Shape, String)>,
}

/// One estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct Stem {
    pub label: String,
    pub shape: Shape,
    /// None if there is none; then the first column says why.
    pub value: Option<f64>,
    pub ci: Option<[f64; 2]>,
    pub columns: [String; 2],
}

/// What stands for an estimate; told apart without colours too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Diamond,
    Disc,
    Ring,
}

impl Shape {
    pub(super) fn role(self) -> Role {
        match self {
            Shape::Diamond => Role::Second,
            Shape::Disc => Role::First,
            Shape::Ring => Role::Muted,
        }
    }

    /// Draws it about a point.
    pub(super) fn draw(self, area: &Area<'_>, (x, y): (i32, i32), theme: Theme) -> Result<(), DrawError> {
        let color: RGBColor = self.role().color(theme);
        match self {
            Shape::Diamond => {
                let corners = [(x - 15, y), (x, y - 15), (x + 15, y), (x, y + 15)];
                area.draw(&Polygon::new(corners, color.filled())).map_err(error)
            }
            Shape::Disc => area.draw(&Circle::new((x, y), 10, color.filled())).map_err(error),
            Shape::Ring => {
                // What lies behind it does not show through.
                area.draw(&Circle::new((x, y), 10, Role::Background.color(theme).filled())).map_err(error)?;
                area.draw(&Circle::new((x, y), 9, color.stroke_width(4))).map_err(error)
            }
        }
    }
}

impl Forest {
    pub(super) fn entries(&self) -> Vec<Entry> {
        let shapes = self.legend.iter().map(|(shape, name)| Entry {
            name: name.clone(),
            role: shape.role(),
            sample: Sample::Shape(*shape),
        });
        let reference = self.reference.iter().map(|(name, _)| Entry {
            name: name.clone(),
            role: Role::Third,
            sample: Sample::Dashed,
        });
        shapes.chain(reference).collect()
    }

    /// What its rows need below the head of the picture.
    pub(super) fn height(&self) -> u32 {
        (HEAD + ROW * self.shown().len() as i32 + BOTTOM).unsigned_abs()
    }

    fn shown(&self) -> &[Stem] {
        &self.rows[..self.rows.len().min(MAX_ROWS)]
    }

    pub(super) fn draw(&self, area: &Area<'_>, theme: Theme) -> Result<(), DrawError> {
        let (low, high) = self.range();
        let x = |value: f64| LEFT + ((value - low) / (high - low) * f64::from(RIGHT - LEFT)).round() as i32;
        let foot = HEAD + ROW * self.shown().len() as i32;
        let style = |role, place| text_style(role, LABEL, theme, Pos::new(place, VPos::Center));
        for tick in ticks(low, high) {
            let grid = PathElement::new([(x(tick), HEAD), (x(tick), foot)], Role::Grid.color(theme).stroke_width(2));
            area.draw(&grid).map_err(error)?;
            let text = Text::new(number(tick), (x(tick), foot + 24), style(Role::Muted, HPos::Center));
            area.draw(&text).map_err(error)?;
        }
        let axis = PathElement::new([(LEFT, foot), (RIGHT, foot)], Role::Muted.color(theme).stroke_width(2));
        area.draw(&axis).map_err(error)?;
        if let Some((_, value)) = self.reference {
            self.dashes(area, x(value.clamp(low, high)), foot, theme)?;
        }
        for (heading, right) in self.columns.iter().zip(COLUMNS) {
            let text = Text::new(fit(heading, 10), (right, HEAD / 2), style(Role::Muted, HPos::Right));
            area.draw(&text).map_err(error)?;
        }
        for (index, stem) in self.shown().iter().enumerate() {
            stem.draw(area, HEAD + index as i32 * ROW + ROW / 2, &|value| x(value.clamp(low, high)), theme)?;
        }
        let label = Text::new(fit(&self.label, 60), ((LEFT + RIGHT) / 2, foot + 72), style(Role::Muted, HPos::Center));
        area.draw(&label).map_err(error)
    }

    fn dashes(&self, area: &Area<'_>, x: i32, foot: i32, theme: Theme) -> Result<(), DrawError> {
        let color = Role::Third.color(theme);
        (HEAD..foot).step_by(24).try_for_each(|from| {
            let dash = PathElement::new([(x, from), (x, (from + 14).min(foot))], color.stroke_width(4));
            area.draw(&dash).map_err(error)
        })
    }

    /// From the lowest to the highest of all that is drawn, with some room.
    fn range(&self) -> (f64, f64) {
        let of = |stem: &Stem| stem.ci.into_iter().flatten().chain(stem.value).collect::<Vec<_>>();
        let reference = self.reference.iter().map(|(_, value)| *value);
        let all = self.shown().iter().flat_map(of).chain(reference).filter(|value| value.is_finite());
        let (low, high) =
            all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if !low.is_finite() {
            return (0.0, 1.0);
        }
        let room = if high > low { (high - low) * 0.06 } else { low.abs().max(1.0) * 0.05 };
        (low - room, high + room)
    }
}

impl Stem {
    fn draw(&self, area: &Area<'_>, y: i32, x: &dyn Fn(f64) -> i32, theme: Theme) -> Result<(), DrawError> {
        let style = |role, place| text_style(role, LABEL, theme, Pos::new(place, VPos::Center));
        let ink = if self.shape == Shape::Ring { Role::Muted } else { Role::Ink };
        let name = Text::new(fit(&self.label, 22), (LEFT - 24, y), style(ink, HPos::Right));
        area.draw(&name).map_err(error)?;
        let Some(value) = self.value else {
            let room = (COLUMNS[1] - LEFT) / width("x", LABEL).max(1);
            let why = Text::new(fit(&self.columns[0], room.max(8) as usize), (LEFT, y), style(Role::Muted, HPos::Left));
            return area.draw(&why).map_err(error);
        };
        if let Some([low, high]) = self.ci {
            let line = PathElement::new([(x(low), y), (x(high), y)], self.shape.role().color(theme).stroke_width(4));
            area.draw(&line).map_err(error)?;
        }
        self.shape.draw(area, (x(value), y), theme)?;
        for (text, right) in self.columns.iter().zip(COLUMNS) {
            area.draw(&Text::new(fit(text, 10), (right, y), style(ink, HPos::Right))).map_err(error)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem(value: Option<f64>, ci: Option<[f64; 2]>) -> Stem {
        let columns = ["0.5".to_owned(), "1 s".to_owned()];
        Stem { label: "a".to_owned(), shape: Shape::Disc, value, ci, columns }
    }

    fn forest(rows: Vec<Stem>) -> Forest {
        let columns = ["mean".to_owned(), "time".to_owned()];
        Forest { label: "x".to_owned(), columns, rows, reference: None, legend: Vec::new() }
    }

    #[test]
    fn the_axis_holds_all_that_is_drawn_and_has_a_length() {
        let (low, high) = forest(vec![stem(Some(0.5), Some([0.2, 0.6])), stem(Some(0.9), None)]).range();
        assert!(low < 0.2 && high > 0.9 && low > 0.1 && high < 1.0, "{low} {high}");
        for rows in [vec![], vec![stem(None, None)], vec![stem(Some(f64::NAN), None)], vec![stem(Some(0.3), None)]] {
            let (low, high) = forest(rows).range();
            assert!(low < high);
        }
    }

    #[test]
    fn the_picture_grows_with_its_rows_up_to_a_limit() {
        let height = |rows: usize| forest(vec![stem(Some(0.5), None); rows]).height();
        assert_eq!(height(9) - height(8), ROW.unsigned_abs());
        assert_eq!(height(1_000), height(MAX_ROWS));
    }
}
