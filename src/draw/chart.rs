//! Curves, columns and dots over two axes.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{Circle, DashedLineSeries, LineSeries, PathElement, Rectangle, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TRANSPARENT};

use super::DrawError;
use super::canvas::{Area, Entry, LABEL, Sample, error, text_style};
use super::palette::{Role, Theme};
use super::text::{fit, number};

/// Where a point of the data lies on the chart.
type Place<'a> = &'a dyn Fn(&(f64, f64)) -> (f64, f64);

/// Marks over two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub x: Axis,
    pub y: Axis,
    /// The first are drawn first.
    pub marks: Vec<Mark>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    pub low: f64,
    pub high: f64,
    pub ticks: Ticks,
}

/// How the numbers of an axis read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticks {
    Plain,
    /// The axis has decimal logarithms of odds and shows probabilities.
    Odds,
    /// The axis has decimal logarithms.
    Log,
}

/// What is drawn. Marks with a name are in the legend; points beyond the axes are drawn at their ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    Line {
        name: Option<String>,
        role: Role,
        points: Vec<(f64, f64)>,
    },
    Dashed {
        name: Option<String>,
        role: Role,
        points: Vec<(f64, f64)>,
    },
    /// One height between each two edges.
    Columns {
        name: Option<String>,
        role: Role,
        edges: Vec<f64>,
        heights: Vec<f64>,
    },
    Dots {
        name: Option<String>,
        role: Role,
        dots: Vec<Dot>,
    },
}

/// A point with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    pub x: f64,
    pub y: f64,
    pub low: f64,
    pub high: f64,
}

type Context<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

impl Chart {
    pub(super) fn entries(&self) -> Vec<Entry> {
        let entry = |mark: &Mark| {
            let (name, role, sample) = match mark {
                Mark::Line { name, role, .. } => (name, role, Sample::Line),
                Mark::Dashed { name, role, .. } => (name, role, Sample::Dashed),
                Mark::Columns { name, role, .. } | Mark::Dots { name, role, .. } => (name, role, Sample::Box),
            };
            Some(Entry { name: name.clone()?, role: *role, sample })
        };
        self.marks.iter().filter_map(entry).collect()
    }

    pub(super) fn draw(&self, area: &Area<'_>, theme: Theme) -> Result<(), DrawError> {
        let (x, y) = (self.x.widened(), self.y.widened());
        let mut chart = ChartBuilder::on(area)
            .margin_right(36)
            .margin_top(8)
            .margin_bottom(12)
            .x_label_area_size(92)
            .y_label_area_size(124)
            .build_cartesian_2d(x.low..x.high, y.low..y.high)
            .map_err(error)?;
        let label = text_style(Role::Muted, LABEL, theme, Pos::new(HPos::Center, VPos::Center));
        chart
            .configure_mesh()
            .bold_line_style(Role::Grid.color(theme).stroke_width(2))
            .light_line_style(TRANSPARENT)
            .axis_style(Role::Muted.color(theme).stroke_width(2))
            .label_style(label.clone())
            .axis_desc_style(label)
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|value| x.tick(*value))
            .y_label_formatter(&|value| y.tick(*value))
            .x_desc(fit(&x.label, 60))
            .y_desc(fit(&y.label, 38))
            .draw()
            .map_err(error)?;
        let place = |point: &(f64, f64)| (x.clamp(point.0), y.clamp(point.1));
        self.marks.iter().try_for_each(|mark| mark.draw(&mut chart, &place, theme))
    }
}

impl Mark {
    fn draw(&self, chart: &mut Context<'_, '_>, place: Place<'_>, theme: Theme) -> Result<(), DrawError> {
        match self {
            Mark::Line { role, points, .. } => {
                let points: Vec<(f64, f64)> = points.iter().map(place).collect();
                let series = LineSeries::new(points, role.color(theme).stroke_width(5));
                chart.draw_series(series).map_err(error)?;
            }
            Mark::Dashed { role, points, .. } => {
                let points: Vec<(f64, f64)> = points.iter().map(place).collect();
                let series = DashedLineSeries::new(points, 14, 10, role.color(theme).stroke_width(4));
                chart.draw_series(series).map_err(error)?;
            }
            Mark::Columns { role, edges, heights, .. } => {
                let fill = role.color(theme).mix(0.55).filled();
                let column = |(pair, height): (&[f64], &f64)| {
                    Rectangle::new([place(&(pair[0], 0.0)), place(&(pair[1], *height))], fill)
                };
                let columns: Vec<_> = edges.windows(2).zip(heights).filter(|(_, h)| **h > 0.0).map(column).collect();
                chart.draw_series(columns).map_err(error)?;
            }
            Mark::Dots { role, dots, .. } => {
                let color = role.color(theme);
                let bar = |dot: &Dot| {
                    let ends = [place(&(dot.x, dot.low)), place(&(dot.x, dot.high))];
                    PathElement::new(ends, color.stroke_width(4))
                };
                chart.draw_series(dots.iter().map(bar).collect::<Vec<_>>()).map_err(error)?;
                let point = |dot: &Dot| Circle::new(place(&(dot.x, dot.y)), 9, color.filled());
                chart.draw_series(dots.iter().map(point).collect::<Vec<_>>()).map_err(error)?;
            }
        }
        Ok(())
    }
}

impl Axis {
    /// An axis without length is given some.
    fn widened(&self) -> Axis {
        let (low, high) = match (self.low.is_finite(), self.high.is_finite()) {
            (true, true) => (self.low, self.high),
            _ => (0.0, 1.0),
        };
        let room = if high > low { 0.0 } else { low.abs().max(1.0) * 0.5 };
        Axis { low: low - room, high: if high > low { high } else { low + room }, ..self.clone() }
    }

    fn clamp(&self, value: f64) -> f64 {
        if value.is_nan() { self.low } else { value.clamp(self.low, self.high) }
    }

    fn tick(&self, value: f64) -> String {
        // What rounding makes of the tick at zero is still zero.
        let value = if value.abs() < (self.high - self.low) * 1e-9 { 0.0 } else { value };
        match self.ticks {
            Ticks::Plain => number(value),
            Ticks::Log => number(10f64.powf(value)),
            Ticks::Odds => {
                let odds = 10f64.powf(value);
                let probability = odds / (1.0 + odds);
                let rounded = if value > 1.0 { format!("{probability:.5}") } else { format!("{probability:.1e}") };
                number(rounded.parse().unwrap_or(probability))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_read_as_probabilities() {
        let axis = Axis { label: String::new(), low: -5.0, high: 5.0, ticks: Ticks::Odds };
        let ticks: Vec<String> =
            [-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0].into_iter().map(|tick| axis.tick(tick)).collect();
        assert_eq!(ticks, ["0.0001", "0.0099", "0.091", "0.5", "0.91", "0.9901", "0.999"]);
    }

    #[test]
    fn an_axis_always_has_a_length() {
        let axis = |low, high| Axis { label: String::new(), low, high, ticks: Ticks::Plain }.widened();
        for (low, high) in [(0.0, 0.0), (3.0, 3.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            let axis = axis(low, high);
            assert!(axis.low < axis.high && axis.low.is_finite() && axis.high.is_finite(), "{low} {high}");
        }
    }
}
