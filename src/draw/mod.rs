//! Pictures: figures as data, drawn as SVG that needs nothing else.
//!
//! A figure says what it shows and on how many rows; [`svg`] draws it for a light or a dark page, or for whichever the
//! reader has. All text is escaped and bounded, whatever it is made of.

mod bars;
mod canvas;
mod chart;
mod forest;
mod heat;
mod matrix;
mod palette;
mod text;

pub use bars::{Bar, Bars};
pub use chart::{Axis, Chart, Dot, Mark, Ticks};
pub use forest::{Forest, Shape, Stem};
pub use heat::{Bitmap, Heat, Raster, heat_over};
pub use matrix::Matrix;
pub use palette::{Role, Theme, style};

use canvas::Canvas;

/// One picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it shows.
    pub title: String,
    /// On what: which rows, how many of them.
    pub subtitle: String,
    /// All that it says, for who cannot see it.
    pub description: String,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Chart(Chart),
    Bars(Bars),
    Matrix(Matrix),
    Forest(Forest),
    /// There is nothing to draw, and why.
    Nothing(String),
}

/// A figure could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the figure cannot be drawn: {0}")]
pub struct DrawError(String);

/// Draws a figure.
///
/// # Errors
/// If the library cannot, which no figure of finite numbers leads to.
pub fn svg(figure: &Figure, theme: Theme) -> Result<String, DrawError> {
    let mut drawn = String::new();
    Canvas { figure, theme }.draw(&mut drawn)?;
    Ok(canvas::finish(&drawn, figure, theme))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(body: Body) -> Figure {
        Figure {
            title: "<script>alert(1)</script> & \"more\"\u{7}".to_owned(),
            subtitle: "test rows: 10, of which 2 are </svg>".to_owned(),
            description: "x]]>\u{1b}<b>".to_owned(),
            body,
        }
    }

    fn bodies() -> Vec<Body> {
        let hostile = "</text><script>x</script>".to_owned();
        let axis = || Axis { label: hostile.clone(), low: 0.0, high: 1.0, ticks: Ticks::Plain };
        let name = || Some(hostile.clone());
        let marks = vec![
            Mark::Line { name: name(), role: Role::First, points: vec![(0.0, 0.0), (0.5, 2.0), (1.0, -1.0)] },
            Mark::Dashed { name: name(), role: Role::Muted, points: vec![(0.0, 0.5), (1.0, 0.5)] },
            Mark::Columns { name: name(), role: Role::Second, edges: vec![0.0, 0.5, 1.0], heights: vec![0.2, 0.7] },
            Mark::Dots { name: name(), role: Role::Third, dots: vec![Dot { x: 0.5, y: 0.5, low: 0.4, high: 0.9 }] },
        ];
        let bars =
            (0..40).map(|bar| Bar { label: hostile.clone(), value: f64::from(bar) - 5.0, ci: Some([-6.0, 40.0]) });
        vec![
            Body::Chart(Chart { x: axis(), y: axis(), marks }),
            Body::Chart(Chart { x: Axis { low: 1.0, high: 1.0, ..axis() }, y: axis(), marks: Vec::new() }),
            Body::Bars(Bars { label: hostile.clone(), bars: bars.collect() }),
            Body::Bars(Bars { label: hostile.clone(), bars: Vec::new() }),
            Body::Matrix(Matrix { negative: hostile.clone(), positive: hostile.clone(), tp: 0, fp: 3, fn_: 2, tn: 0 }),
            Body::Forest(Forest {
                label: hostile.clone(),
                columns: [hostile.clone(), hostile.clone()],
                rows: (0..40)
                    .map(|row| Stem {
                        label: hostile.clone(),
                        shape: [Shape::Diamond, Shape::Disc, Shape::Ring][row % 3],
                        value: (row % 5 > 0).then_some(row as f64),
                        ci: (row % 2 > 0).then_some([-1e300, f64::NAN]),
                        columns: [hostile.clone(), hostile.clone()],
                    })
                    .collect(),
                reference: Some((hostile.clone(), 2.0)),
                legend: vec![(Shape::Ring, hostile.clone())],
            }),
            Body::Nothing(hostile),
        ]
    }

    #[test]
    fn no_text_becomes_markup() {
        for body in bodies() {
            for theme in [Theme::Light, Theme::Dark, Theme::Auto] {
                let svg = svg(&figure(body.clone()), theme).unwrap();
                assert!(!svg.contains("<script") && svg.contains("&lt;script"), "{svg}");
                assert_eq!(svg.matches("</svg>").count(), 1);
                assert!(svg.chars().all(|c| !c.is_control() || c == '\n'), "control characters are no XML");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
    }

    #[test]
    fn only_auto_follows_the_reader() {
        let body = Body::Nothing("nothing".to_owned());
        let drawn = |theme| svg(&figure(body.clone()), theme).unwrap();
        assert!(drawn(Theme::Auto).contains("prefers-color-scheme"));
        for fixed in [drawn(Theme::Light), drawn(Theme::Dark)] {
            assert!(!fixed.contains("prefers-color-scheme"));
        }
        assert_ne!(drawn(Theme::Light), drawn(Theme::Dark));
    }
}
