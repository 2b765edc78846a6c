//! One picture: an uneven ground, shapes, a light from one side, noise.

use evenkeel::ml::seed::Rng;
use rand::Rng as _;

pub const SIDE: usize = 32;
/// Colours apart by less than this cannot be told apart.
const LEAST_CONTRAST: f32 = 0.25;

type Color = [f32; 3];

pub struct Scene {
    pixels: Vec<Color>,
}

#[derive(Clone, Copy)]
enum Shape {
    Disc,
    Square,
    Triangle,
    Bar,
    Cross,
    Ring {
        thickness: f32,
    },
    /// With a gap of this angle, in radians.
    OpenRing {
        thickness: f32,
        gap: f32,
    },
}

/// A shape in its place.
struct Placed {
    shape: Shape,
    centre: [f32; 2],
    size: f32,
    turn: f32,
    paint: Paint,
}

/// Two colours in stripes; all of the first where they are alike.
struct Paint {
    colors: [Color; 2],
    frequency: f32,
    direction: f32,
}

impl Scene {
    /// Values from 0 to 255, line by line.
    pub fn draw(is_open: bool, rng: &mut Rng) -> Vec<u8> {
        let mut scene = Self { pixels: ground(rng) };
        let ring = |rng: &mut Rng| Shape::Ring { thickness: rng.random_range(1.6..2.6) };
        let mut shapes: Vec<Shape> = (0..rng.random_range(3..7)).map(|_| clutter(rng)).collect();
        if rng.random::<f32>() < 0.5 {
            shapes.push(ring(rng));
        }
        shapes.iter().for_each(|&shape| scene.put(shape, rng.random_range(2.5..7.0), rng));
        // What matters is in front, so that it can be seen; in the others a closed ring or another shape is.
        let (size, thickness) = (rng.random_range(4.5..7.5), rng.random_range(1.6..2.6));
        let front = match is_open {
            true => Shape::OpenRing { thickness, gap: rng.random_range(1.0..1.7) },
            false if rng.random::<f32>() < 0.5 => Shape::Ring { thickness },
            false => clutter(rng),
        };
        scene.put(front, size, rng);
        scene.light(rng);
        let noise = |value: f32, rng: &mut Rng| value + 0.05 * (rng.random::<f32>() + rng.random::<f32>() - 1.0);
        let values = scene.pixels.iter().flatten().map(|&value| (noise(value, rng) * 255.0).round().clamp(0.0, 255.0));
        values.map(|value| value as u8).collect()
    }

    /// Somewhere, in colours that stand out from what is there.
    fn put(&mut self, shape: Shape, size: f32, rng: &mut Rng) {
        let room = SIDE as f32 - 2.0 * size;
        let mut place = || size + rng.random::<f32>() * room - 0.5;
        let centre = [place(), place()];
        let behind = self.pixels[centre[1] as usize * SIDE + centre[0] as usize];
        let placed = Placed {
            shape,
            centre,
            size,
            turn: rng.random_range(0.0..std::f32::consts::TAU),
            paint: Paint::unlike(behind, rng),
        };
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (share, color) = placed.at(x as f32, y as f32);
                let pixel = &mut self.pixels[y * SIDE + x];
                *pixel = mix(*pixel, color, share);
            }
        }
    }

    /// Brighter towards one side.
    fn light(&mut self, rng: &mut Rng) {
        let (angle, strength) = (rng.random_range(0.0..std::f32::consts::TAU), rng.random_range(0.0..0.35));
        for (place, pixel) in self.pixels.iter_mut().enumerate() {
            let along = |at: usize| at as f32 / (SIDE - 1) as f32 - 0.5;
            let (y, x) = (along(place / SIDE), along(place % SIDE));
            let factor = 1.0 + 2.0 * strength * (x * angle.cos() + y * angle.sin());
            pixel.iter_mut().for_each(|value| *value *= factor);
        }
    }
}

impl Placed {
    /// How much of a pixel it covers, and with what colour.
    fn at(&self, x: f32, y: f32) -> (f32, Color) {
        let (sin, cos) = self.turn.sin_cos();
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let share = (0.5 - self.shape.distance(u, v, self.size)).clamp(0.0, 1.0);
        (share, self.paint.at(dx, dy))
    }
}

impl Shape {
    /// About how far a place is from the edge; negative inside.
    fn distance(self, u: f32, v: f32, size: f32) -> f32 {
        let bar = |along: f32, across: f32| (along.abs() - size).max(across.abs() - 0.3 * size);
        let from_middle = u.hypot(v);
        let ring = |thickness: f32| (from_middle - size).abs() - thickness / 2.0;
        match self {
            Shape::Disc => from_middle - size,
            Shape::Square => u.abs().max(v.abs()) - 0.8 * size,
            Shape::Triangle => v.max(0.866 * u.abs() - 0.5 * v) - 0.5 * size,
            Shape::Bar => bar(u, v),
            Shape::Cross => bar(u, v).min(bar(v, u)),
            Shape::Ring { thickness } => ring(thickness),
            Shape::OpenRing { thickness, gap } => {
                let inside_gap = (gap / 2.0 - v.atan2(u).abs()) * from_middle;
                ring(thickness).max(inside_gap)
            }
        }
    }
}

impl Paint {
    fn unlike(behind: Color, rng: &mut Rng) -> Self {
        let mut first = color(rng);
        while apart(first, behind) < LEAST_CONTRAST {
            first = color(rng);
        }
        let second = match rng.random::<f32>() < 0.4 {
            true => mix(first, color(rng), 0.5),
            false => first,
        };
        Self {
            colors: [first, second],
            frequency: rng.random_range(0.8..2.2),
            direction: rng.random_range(0.0..std::f32::consts::TAU),
        }
    }

    fn at(&self, x: f32, y: f32) -> Color {
        let along = x * self.direction.cos() + y * self.direction.sin();
        mix(self.colors[0], self.colors[1], 0.5 + 0.5 * (self.frequency * along).sin())
    }
}

/// Two colours that pass into each other in large patches, and fine grain.
fn ground(rng: &mut Rng) -> Vec<Color> {
    const PATCHES: usize = 5;
    let colors = [color(rng), color(rng)];
    let grid: Vec<f32> = (0..PATCHES * PATCHES).map(|_| rng.random()).collect();
    let (grain, frequency) = (rng.random_range(0.0..0.15), rng.random_range(0.5..2.5));
    let at = |place: usize| {
        let scaled = |at: usize| at as f32 * (PATCHES - 1) as f32 / SIDE as f32;
        let (y, x) = (scaled(place / SIDE), scaled(place % SIDE));
        let (line, column) = (y as usize, x as usize);
        let value = |line: usize, column: usize| grid[line * PATCHES + column];
        let along = |line: usize| value(line, column) + (value(line, column + 1) - value(line, column)) * x.fract();
        let patch = along(line) + (along(line + 1) - along(line)) * y.fract();
        let wave = grain * ((place % SIDE) as f32 * frequency).sin() * ((place / SIDE) as f32 * frequency).cos();
        mix(colors[0], colors[1], patch).map(|value| value + wave)
    };
    (0..SIDE * SIDE).map(at).collect()
}

fn clutter(rng: &mut Rng) -> Shape {
    [Shape::Disc, Shape::Square, Shape::Triangle, Shape::Bar, Shape::Cross][rng.random_range(0..5)]
}

fn color(rng: &mut Rng) -> Color {
    [rng.random(), rng.random(), rng.random()]
}

fn mix(first: Color, second: Color, share: f32) -> Color {
    std::array::from_fn(|channel| first[channel] + (second[channel] - first[channel]) * share)
}

fn apart(first: Color, second: Color) -> f32 {
    first.iter().zip(second).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}
