//! Colours by what they are for, in light and in dark.

use plotters::style::RGBColor;

/// Whom a picture is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
    /// Light, and dark where the reader asks for it.
    Auto,
}

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Background,
    Ink,
    /// Text of axes, and lines to compare with.
    Muted,
    Grid,
    /// Series, told apart also by those who see no red or green.
    First,
    Second,
    Third,
}

impl Role {
    const ALL: [Role; 7] =
        [Role::Background, Role::Ink, Role::Muted, Role::Grid, Role::First, Role::Second, Role::Third];

    /// In light and in dark. No two roles share a colour, so that a colour tells its role.
    fn hex(self) -> [u32; 2] {
        match self {
            Role::Background => [0xFFFFFF, 0x14171C],
            Role::Ink => [0x1B1F24, 0xE8EAED],
            Role::Muted => [0x57606A, 0xA6ADB7],
            Role::Grid => [0xE1E5EA, 0x2E343D],
            Role::First => [0x0B62C1, 0x6CB2FF],
            Role::Second => [0xB8500C, 0xFFA866],
            Role::Third => [0x0F766E, 0x4FD1B5],
        }
    }

    pub(super) fn color(self, theme: Theme) -> RGBColor {
        let hex = self.hex()[usize::from(theme == Theme::Dark)];
        let [_, red, green, blue] = hex.to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// What turns pictures drawn for [`Theme::Auto`] dark where the reader asks for it; also the style of a page that has
/// them inline.
pub fn style() -> String {
    let rule = |role: &Role| {
        let [light, dark] = role.hex();
        format!("svg [fill=\"#{light:06X}\"]{{fill:#{dark:06X}}}svg [stroke=\"#{light:06X}\"]{{stroke:#{dark:06X}}}")
    };
    let rules: String = Role::ALL.iter().map(rule).collect();
    format!("@media (prefers-color-scheme:dark){{{rules}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(hex: u32) -> f64 {
        let [_, red, green, blue] = hex.to_be_bytes().map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    #[test]
    fn text_and_series_stand_out_in_light_and_in_dark() {
        for theme in 0..2 {
            let background = luminance(Role::Background.hex()[theme]);
            for role in [Role::Ink, Role::Muted, Role::First, Role::Second, Role::Third] {
                let own = luminance(role.hex()[theme]);
                let contrast = (background.max(own) + 0.05) / (background.min(own) + 0.05);
                assert!(contrast >= 4.5, "{role:?}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn a_colour_tells_its_role() {
        for theme in 0..2 {
            let mut colors: Vec<u32> = Role::ALL.iter().map(|role| role.hex()[theme]).collect();
            colors.sort_unstable();
            colors.dedup();
            assert_eq!(colors.len(), Role::ALL.len());
        }
    }
}
