//! Bars from left to right, each with its name and its interval.

use plotters::prelude::{PathElement, Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::DrawError;
use super::canvas::{Area, LABEL, error, text_style};
use super::palette::{Role, Theme};
use super::text::{fit, number};

/// More bars than this have no room.
const MAX_BARS: usize = 14;
/// Where bars may begin and end.
const LEFT: i32 = 360;
const RIGHT: i32 = 1080;
const BOTTOM: i32 = 108;

/// Named numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// What is measured, with its unit.
    pub label: String,
    /// From the top; the first fourteen are drawn.
    pub bars: Vec<Bar>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    pub label: String,
    pub value: f64,
    pub ci: Option<[f64; 2]>,
}

impl Bars {
    pub(super) fn draw(&self, area: &Area<'_>, theme: Theme) -> Result<(), DrawError> {
        let shown = &self.bars[..self.bars.len().min(MAX_BARS)];
        let ends = shown.iter().flat_map(|bar| bar.ci.into_iter().flatten().chain([bar.value, 0.0]));
        let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let high = if high > low { high } else { low + 1.0 };
        let height = area.dim_in_pixel().1 as i32;
        let x = |value: f64| LEFT + ((value - low) / (high - low) * f64::from(RIGHT - LEFT)).round() as i32;
        let step = (height - BOTTOM) / shown.len().max(4) as i32;
        let axis = PathElement::new([(x(0.0), 0), (x(0.0), height - BOTTOM)], Role::Muted.color(theme).stroke_width(2));
        let style = text_style(Role::Muted, LABEL, theme, Pos::new(HPos::Center, VPos::Top));
        for tick in ticks(low, high) {
            let grid =
                PathElement::new([(x(tick), 0), (x(tick), height - BOTTOM)], Role::Grid.color(theme).stroke_width(2));
            area.draw(&grid).map_err(error)?;
            area.draw(&Text::new(number(tick), (x(tick), height - BOTTOM + 8), style.clone())).map_err(error)?;
        }
        for (index, bar) in shown.iter().enumerate() {
            let y = index as i32 * step + step / 2;
            bar.draw(area, y, (step * 2 / 5).min(22), &x, theme)?;
        }
        area.draw(&axis).map_err(error)?;
        area.draw(&Text::new(fit(&self.label, 70), ((LEFT + RIGHT) / 2, height - BOTTOM + 50), style)).map_err(error)
    }
}

/// Round numbers from `low` to `high`, two to five of them.
pub(super) fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|one| one * power).find(|step| *step >= rough).unwrap_or(rough);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).take(10).map(|tick| tick as f64 * step).collect()
}

impl Bar {
    fn draw(&self, area: &Area<'_>, y: i32, half: i32, x: &dyn Fn(f64) -> i32, theme: Theme) -> Result<(), DrawError> {
        let style = |role, place| text_style(role, LABEL, theme, Pos::new(place, VPos::Center));
        let name = Text::new(fit(&self.label, 20), (LEFT - 20, y), style(Role::Ink, HPos::Right));
        area.draw(&name).map_err(error)?;
        let (from, to) = (x(0.0).min(x(self.value)), x(0.0).max(x(self.value)));
        let shape = Rectangle::new([(from, y - half), (to, y + half)], Role::First.color(theme).mix(0.55).filled());
        area.draw(&shape).map_err(error)?;
        if let Some([low, high]) = self.ci {
            let line = PathElement::new([(x(low), y), (x(high), y)], Role::Ink.color(theme).stroke_width(4));
            area.draw(&line).map_err(error)?;
        }
        let end = self.ci.map_or(to, |[_, high]| to.max(x(high)));
        area.draw(&Text::new(number(self.value), (end + 12, y), style(Role::Muted, HPos::Left))).map_err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let shown = |low, high| ticks(low, high).into_iter().map(number).collect::<Vec<_>>();
        assert_eq!(shown(-0.07, 0.36), ["0", "0.2"]);
        assert_eq!(shown(0.0, 1.0), ["0", "0.5", "1"]);
        assert_eq!(shown(0.0, 0.004), ["0", "0.001", "0.002", "0.003", "0.004"]);
    }
}
