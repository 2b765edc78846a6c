//! A confusion matrix: what is predicted against what is true.

use plotters::prelude::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::DrawError;
use super::canvas::{Area, LABEL, TITLE, error, text_style};
use super::palette::{Role, Theme};
use super::text::fit;

const LEFT: i32 = 360;
const TOP: i32 = 96;
const CELL_WIDTH: i32 = 400;
const CELL_HEIGHT: i32 = 230;

/// Exact counts at one threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    pub negative: String,
    pub positive: String,
    pub tp: u64,
    pub fp: u64,
    pub fn_: u64,
    pub tn: u64,
}

impl Matrix {
    pub(super) fn draw(&self, area: &Area<'_>, theme: Theme) -> Result<(), DrawError> {
        let write_at = |text: String, place: (i32, i32), role: Role, size: i32, side: HPos| {
            let style = text_style(role, size, theme, Pos::new(side, VPos::Center));
            area.draw(&Text::new(text, place, style)).map_err(error)
        };
        let write = |text, place, role, size| write_at(text, place, role, size, HPos::Center);
        let column = |index: i32| LEFT + index * CELL_WIDTH + CELL_WIDTH / 2;
        let row = |index: i32| TOP + index * CELL_HEIGHT + CELL_HEIGHT / 2;
        write("predicted".to_owned(), (LEFT + CELL_WIDTH, 20), Role::Muted, LABEL)?;
        write("true".to_owned(), (60, row(0) + CELL_HEIGHT / 2), Role::Muted, LABEL)?;
        for (index, label) in [&self.negative, &self.positive].into_iter().enumerate() {
            write(fit(label, 24), (column(index as i32), 64), Role::Ink, LABEL)?;
            write_at(fit(label, 14), (LEFT - 24, row(index as i32)), Role::Ink, LABEL, HPos::Right)?;
        }
        for (at, counts) in [[self.tn, self.fp], [self.fn_, self.tp]].into_iter().enumerate() {
            let total = counts.iter().sum::<u64>().max(1) as f64;
            for (index, count) in counts.into_iter().enumerate() {
                let share = count as f64 / total;
                let right = at == index;
                let fill = if right { Role::First } else { Role::Second }.color(theme).mix(0.06 + 0.34 * share);
                let corner = (LEFT + index as i32 * CELL_WIDTH, TOP + at as i32 * CELL_HEIGHT);
                let opposite = (corner.0 + CELL_WIDTH - 8, corner.1 + CELL_HEIGHT - 8);
                area.draw(&Rectangle::new([corner, opposite], fill.filled())).map_err(error)?;
                let center = (column(index as i32) - 4, row(at as i32) - 4);
                write(count.to_string(), (center.0, center.1 - 24), Role::Ink, TITLE)?;
                let words = format!("{:.1} % of the row", share * 100.0);
                write(words, (center.0, center.1 + 26), Role::Ink, LABEL)?;
            }
        }
        Ok(())
    }
}
