//! One picture: an uneven ground, shapes, a light from one side, noise.

use evenkeel::ml::seed::Rng;
use rand::Rng as _;

pub const SIDE: usize = 32;
/// Colours apart by less than this cannot be told apart.
const LEAST_CONTRAST: f32 = 0.4;

type Color = [f32; 3];

pub struct Scene {
    pixels: Vec<Color>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Disc,
    Square,
    Triangle,
    Bar,
    Cross,
    Ring,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Texture {
    Plain,
    Striped,
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
    pub fn draw(is_striped_disc: bool, rng: &mut Rng) -> Vec<u8> {
        let mut scene = Self { pixels: ground(rng) };
        for _ in 0..rng.random_range(1..4) {
            let (shape, texture) = clutter(rng);
            scene.put(shape, texture, rng.random_range(2.5..6.0), rng);
        }
        // What matters is in front, so that it can be seen; in the others something else is.
        let (shape, texture) = if is_striped_disc { (Shape::Disc, Texture::Striped) } else { clutter(rng) };
        scene.put(shape, texture, rng.random_range(5.0..7.5), rng);
        scene.light(rng);
        let noise = |value: f32, rng: &mut Rng| value + 0.05 * (rng.random::<f32>() + rng.random::<f32>() - 1.0);
        let values = scene.pixels.iter().flatten().map(|&value| (noise(value, rng) * 255.0).round().clamp(0.0, 255.0));
        values.map(|value| value as u8).collect()
    }

    /// Somewhere, in colours that stand out from what is there.
    fn put(&mut self, shape: Shape, texture: Texture, size: f32, rng: &mut Rng) {
        let room = SIDE as f32 - 2.0 * size;
        let mut place = || size + rng.random::<f32>() * room - 0.5;
        let centre = [place(), place()];
        let behind = self.pixels[centre[1] as usize * SIDE + centre[0] as usize];
        let placed = Placed {
            shape,
            centre,
            size,
            turn: rng.random_range(0.0..std::f32::consts::TAU),
            paint: Paint::unlike(behind, texture, rng),
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
        match self {
            Shape::Disc => from_middle - size,
            Shape::Square => u.abs().max(v.abs()) - 0.8 * size,
            Shape::Triangle => v.max(0.866 * u.abs() - 0.5 * v) - 0.5 * size,
            Shape::Bar => bar(u, v),
            Shape::Cross => bar(u, v).min(bar(v, u)),
            Shape::Ring => (from_middle - 0.8 * size).abs() - 0.2 * size,
        }
    }
}

impl Paint {
    fn unlike(behind: Color, texture: Texture, rng: &mut Rng) -> Self {
        let first = color_apart(behind, rng);
        let second = if texture == Texture::Striped { color_apart(first, rng) } else { first };
        Self {
            colors: [first, second],
            frequency: rng.random_range(1.1..2.0),
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
    let colors = [earth(rng), earth(rng)];
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

/// Any shape of any texture, but no striped disc.
fn clutter(rng: &mut Rng) -> (Shape, Texture) {
    const SHAPES: [Shape; 6] = [Shape::Disc, Shape::Square, Shape::Triangle, Shape::Bar, Shape::Cross, Shape::Ring];
    loop {
        let shape = SHAPES[rng.random_range(0..SHAPES.len())];
        let texture = if rng.random() { Texture::Striped } else { Texture::Plain };
        if (shape, texture) != (Shape::Disc, Texture::Striped) {
            return (shape, texture);
        }
    }
}

fn color_apart(from: Color, rng: &mut Rng) -> Color {
    loop {
        let color = color(rng);
        if apart(color, from) >= LEAST_CONTRAST {
            return color;
        }
    }
}

/// A colour of shapes: one of a few, never quite the same.
fn color(rng: &mut Rng) -> Color {
    const PALETTE: [Color; 6] =
        [[0.85, 0.2, 0.15], [0.15, 0.3, 0.8], [0.9, 0.8, 0.2], [0.2, 0.6, 0.25], [0.92, 0.92, 0.92], [0.08, 0.08, 0.1]];
    PALETTE[rng.random_range(0..PALETTE.len())].map(|value| value + rng.random_range(-0.08..0.08))
}

/// A colour of the ground.
fn earth(rng: &mut Rng) -> Color {
    [0.48, 0.42, 0.34].map(|value| value + rng.random_range(-0.1..0.1))
}

fn mix(first: Color, second: Color, share: f32) -> Color {
    std::array::from_fn(|channel| first[channel] + (second[channel] - first[channel]) * share)
}

fn apart(first: Color, second: Color) -> f32 {
    first.iter().zip(second).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}
