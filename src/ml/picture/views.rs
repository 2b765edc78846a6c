//! The same picture seen in several ways, for predictions that are the mean over all of them.
//!
//! Pixels only change places, so that each view is exact and the same every time.

use super::{PictureShape, Pictures};

/// Which views there are of each picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Views {
    /// As it is, and left and right exchanged.
    HorizontalFlip,
    /// As it is, and with left and right, top and bottom, or both exchanged.
    Flips,
    /// As it is, and moved by one pixel to the left, to the right, up and down; the edge is repeated.
    Shifts,
    /// The four flips, each also with lines and columns exchanged: every turn by a right angle, mirrored or not. Of
    /// pictures that are not square, the four flips.
    Turns,
}

/// Where each pixel of a view comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct View {
    transposed: bool,
    left_right: bool,
    top_bottom: bool,
    /// To the right and down.
    moved: [isize; 2],
}

impl Views {
    /// All there are, by their names in requests.
    pub const ALL: [(&'static str, Views); 4] = [
        ("horizontal_flip", Views::HorizontalFlip),
        ("flips", Views::Flips),
        ("shifts", Views::Shifts),
        ("turns", Views::Turns),
    ];

    /// How many there are, at most.
    pub fn count(self) -> usize {
        match self {
            Views::HorizontalFlip => 2,
            Views::Flips => 4,
            Views::Shifts => 5,
            Views::Turns => 8,
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Views::ALL.into_iter().find(|(other, _)| *other == name).map(|(_, views)| views)
    }

    /// The pictures of all rows, view by view; the first is the picture as it is.
    pub fn of(self, pictures: &Pictures) -> Vec<Pictures> {
        let views = self.each(pictures.shape());
        views
            .into_iter()
            .map(|view| if view == View::default() { pictures.clone() } else { view.seen(pictures) })
            .collect()
    }

    fn each(self, shape: PictureShape) -> Vec<View> {
        let as_it_is = View::default();
        let flipped = [
            as_it_is,
            View { left_right: true, ..as_it_is },
            View { top_bottom: true, ..as_it_is },
            View { left_right: true, top_bottom: true, ..as_it_is },
        ];
        match self {
            Views::HorizontalFlip => flipped[..2].to_vec(),
            Views::Shifts => {
                let moved = [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]];
                moved.into_iter().map(|moved| View { moved, ..as_it_is }).collect()
            }
            Views::Turns if shape.height == shape.width => {
                flipped.into_iter().flat_map(|view| [view, View { transposed: true, ..view }]).collect()
            }
            Views::Flips | Views::Turns => flipped.to_vec(),
        }
    }
}

impl View {
    fn seen(self, pictures: &Pictures) -> Pictures {
        let shape = pictures.shape();
        let mut pixels = Vec::with_capacity(pictures.len() * shape.values());
        for row in 0..pictures.len() {
            self.write(pictures.get(row), shape, &mut pixels);
        }
        // As many pictures of the same shape; these are never too many.
        Pictures::new(shape, pixels).unwrap_or_else(|_| pictures.clone())
    }

    fn write(self, picture: &[u8], shape: PictureShape, to: &mut Vec<u8>) {
        let PictureShape { height, width, channels } = shape;
        let place = |at: usize, side: usize, mirrored: bool, moved: isize| {
            let at = at.saturating_add_signed(-moved).min(side - 1);
            if mirrored { side - 1 - at } else { at }
        };
        for y in 0..height {
            for x in 0..width {
                let line = place(y, height, self.top_bottom, self.moved[1]);
                let column = place(x, width, self.left_right, self.moved[0]);
                let (line, column) = if self.transposed { (column, line) } else { (line, column) };
                let start = (line * width + column) * channels;
                to.extend_from_slice(picture.get(start..start + channels).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(views: Views, shape: PictureShape, pixels: &[u8]) -> Vec<Vec<u8>> {
        let pictures = Pictures::new(shape, pixels.to_vec()).unwrap();
        views.of(&pictures).iter().map(|view| view.get(0).to_vec()).collect()
    }

    #[test]
    fn pixels_change_places_and_nothing_else() {
        let wide = PictureShape { height: 2, width: 3, channels: 1 };
        let picture = [1, 2, 3, 4, 5, 6];
        assert_eq!(views(Views::HorizontalFlip, wide, &picture), [vec![1, 2, 3, 4, 5, 6], vec![3, 2, 1, 6, 5, 4]]);
        let flips = [vec![1, 2, 3, 4, 5, 6], vec![3, 2, 1, 6, 5, 4], vec![4, 5, 6, 1, 2, 3], vec![6, 5, 4, 3, 2, 1]];
        assert_eq!(views(Views::Flips, wide, &picture), flips);
        // Of a picture that is not square there is no turn by a right angle.
        assert_eq!(views(Views::Turns, wide, &picture), flips);
        let shifts = views(Views::Shifts, wide, &picture);
        assert_eq!(shifts[1..], [[1, 1, 2, 4, 4, 5], [2, 3, 3, 5, 6, 6], [1, 2, 3, 1, 2, 3], [4, 5, 6, 4, 5, 6]]);
        let colored = PictureShape { height: 1, width: 2, channels: 3 };
        assert_eq!(views(Views::HorizontalFlip, colored, &picture)[1], [4, 5, 6, 1, 2, 3]);
    }

    #[test]
    fn a_square_is_turned_and_mirrored_in_eight_ways() {
        let square = PictureShape { height: 2, width: 2, channels: 1 };
        let mut seen = views(Views::Turns, square, &[1, 2, 3, 4]);
        assert_eq!(seen[0], [1, 2, 3, 4]);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 8);
        // A quarter counter-clockwise is among them: numpy.rot90([[1, 2], [3, 4]]).
        assert!(seen.contains(&vec![2, 4, 1, 3]));
        let pictures = Pictures::new(square, vec![1, 2, 3, 4]).unwrap();
        assert!(Views::ALL.iter().all(|(_, views)| views.of(&pictures).len() == views.count()));
        assert_eq!(Views::named("turns"), Some(Views::Turns));
        assert_eq!(Views::named("spins"), None);
    }
}
