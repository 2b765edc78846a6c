//! The frame of every picture: title, subtitle, legend; and the SVG element around it.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, PathElement, Rectangle, SVGBackend, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, TextStyle};

use super::forest::Shape;
use super::palette::{Role, Theme, style};
use super::text::{escape, fit, width};
use super::{Body, DrawError, Figure};

/// Pictures are shown at this size and drawn at twice of it, as the library places everything on whole units.
const WIDTH: u32 = 600;
const HEIGHT: u32 = 400;
const SCALE: u32 = 2;
/// Sizes of text, as drawn.
pub(super) const TITLE: i32 = 36;
pub(super) const LABEL: i32 = 28;
const MARGIN: i32 = 28;
const LINE: i32 = 36;
const SWATCH: i32 = 36;

/// The library's area of a picture.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(super) struct Canvas<'f> {
    pub(super) figure: &'f Figure,
    pub(super) theme: Theme,
}

/// How an entry of the legend looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sample {
    Line,
    Dashed,
    Box,
    Shape(Shape),
}

/// A name with its sample.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) sample: Sample,
}

impl Canvas<'_> {
    pub(super) fn draw(&self, drawn: &mut String) -> Result<(), DrawError> {
        let area = SVGBackend::with_string(drawn, (WIDTH * SCALE, height(self.figure))).into_drawing_area();
        area.fill(&Role::Background.color(self.theme)).map_err(error)?;
        let below = self.head(&area)?;
        let (_, body) = area.split_vertically(below);
        match &self.figure.body {
            Body::Chart(chart) => chart.draw(&body, self.theme)?,
            Body::Bars(bars) => bars.draw(&body, self.theme)?,
            Body::Matrix(matrix) => matrix.draw(&body, self.theme)?,
            Body::Forest(forest) => forest.draw(&body, self.theme)?,
            Body::Nothing(reason) => {
                let center = (WIDTH * SCALE / 2) as i32;
                self.text(&body, &fit(reason, 75), (center, 200), Role::Muted, LABEL, HPos::Center)?;
            }
        }
        area.present().map_err(error)
    }

    /// Title, subtitle and legend. Answers where they end.
    fn head(&self, area: &Area<'_>) -> Result<i32, DrawError> {
        self.text(area, &fit(&self.figure.title, 60), (MARGIN, 20), Role::Ink, TITLE, HPos::Left)?;
        self.text(area, &fit(&self.figure.subtitle, 90), (MARGIN, 66), Role::Muted, LABEL, HPos::Left)?;
        let (entries, end) = legend(self.figure);
        for (entry, (x, y)) in &entries {
            self.sample(area, entry, (*x, y + 14))?;
            self.text(area, &entry.name, (x + SWATCH + 12, *y), Role::Ink, LABEL, HPos::Left)?;
        }
        Ok(end)
    }

    fn sample(&self, area: &Area<'_>, entry: &Entry, (x, y): (i32, i32)) -> Result<(), DrawError> {
        let color = entry.role.color(self.theme);
        match entry.sample {
            Sample::Line => {
                area.draw(&PathElement::new([(x, y), (x + SWATCH, y)], color.stroke_width(5))).map_err(error)
            }
            Sample::Dashed => [0, 14, 28].into_iter().try_for_each(|from| {
                let dash = PathElement::new([(x + from, y), (x + from + 8, y)], color.stroke_width(4));
                area.draw(&dash).map_err(error)
            }),
            Sample::Shape(shape) => shape.draw(area, (x + SWATCH / 2, y), self.theme),
            Sample::Box => {
                let shape = Rectangle::new([(x + 4, y - 12), (x + 28, y + 12)], color.mix(0.55).filled());
                area.draw(&shape).map_err(error)
            }
        }
    }

    fn text(
        &self,
        area: &Area<'_>,
        text: &str,
        place: (i32, i32),
        role: Role,
        size: i32,
        horizontal: HPos,
    ) -> Result<(), DrawError> {
        let style = text_style(role, size, self.theme, Pos::new(horizontal, VPos::Top));
        area.draw(&Text::new(text.to_owned(), place, style)).map_err(error)
    }
}

/// Text of a size in pixels; the library's sizes are larger by a fixed factor.
pub(super) fn text_style(role: Role, size: i32, theme: Theme, place: Pos) -> TextStyle<'static> {
    ("sans-serif", f64::from(size) * 1.24).into_font().color(&role.color(theme)).pos(place)
}

pub(super) fn error(cause: impl std::fmt::Display) -> DrawError {
    DrawError(cause.to_string())
}

/// An entry and where it stands.
type Placed = (Entry, (i32, i32));

/// The entries of the legend, cut to what there is room for, and where each stands; and where the head of the picture ends.
fn legend(figure: &Figure) -> (Vec<Placed>, i32) {
    let entries = match &figure.body {
        Body::Chart(chart) => chart.entries(),
        Body::Forest(forest) => forest.entries(),
        _ => Vec::new(),
    };
    let (mut x, mut y) = (MARGIN, 110);
    let place = |entry: Entry| {
        let name = fit(&entry.name, 44);
        let needed = SWATCH + 12 + width(&name, LABEL) + 32;
        if x > MARGIN && x + needed > (WIDTH * SCALE) as i32 - MARGIN {
            (x, y) = (MARGIN, y + LINE);
        }
        let placed = (Entry { name, ..entry }, (x, y));
        x += needed;
        placed
    };
    let placed: Vec<Placed> = entries.into_iter().map(place).collect();
    let end = placed.last().map_or(110, |(_, (_, y))| y + LINE + 4);
    (placed, end)
}

/// As drawn. Only what has as many rows as it likes has a height of its own.
fn height(figure: &Figure) -> u32 {
    match &figure.body {
        Body::Forest(forest) => forest.height() + legend(figure).1.unsigned_abs(),
        _ => HEIGHT * SCALE,
    }
}

/// What the library drew, in an element of our own: sized, named for those who cannot see it, and styled.
pub(super) fn finish(drawn: &str, figure: &Figure, theme: Theme) -> String {
    let inner = drawn.split_once('>').map_or("", |(_, rest)| rest);
    let inner = inner.trim_end().strip_suffix("</svg>").unwrap_or(inner);
    let style = if theme == Theme::Auto { format!("<style>{}</style>", style()) } else { String::new() };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{}\" viewBox=\"0 0 {} {}\" \
         role=\"img\" aria-label=\"{}\">{style}\n<title>{}</title>\n<desc>{}</desc>{inner}</svg>\n",
        height(figure) / SCALE,
        WIDTH * SCALE,
        height(figure),
        escape(&figure.title),
        escape(&figure.title),
        escape(&figure.description),
    )
}
