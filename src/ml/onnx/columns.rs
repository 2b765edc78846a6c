//! From raw columns to the features that a predictor reads: imputation, indicators, scaling, categories.
//!
//! Columns of a kind are worked on together, so that a table with a thousand numbers needs no more nodes than one with
//! ten. The results stand in blocks (scaled numbers, their indicators, booleans, theirs, categories), and one `Gather`
//! brings them into the order of the features. Arithmetic is f64, as in [`crate::ml::preprocess`].

use super::graph::{CLASSICAL, Graph, STANDARD, Value, int, ints, texts};
use super::pictures;
use super::proto::DataType;
use crate::ml::picture::PictureScaling;
use crate::ml::preprocess::{InputColumn, NumberScaling, Recipe};
use crate::ml::table::ColumnType;

/// From here on the gap between a finite value and a centre may overflow.
const GAP_MAY_OVERFLOW: f64 = 1e290;
/// The code of a category whose features are all 0.
const NO_FEATURE: i64 = -1;

/// Declares the inputs; they are the model's columns, in its order, each with its recipe.
pub(super) fn declare(graph: &mut Graph, inputs: &[InputColumn], recipes: &[Recipe<'_>]) -> Vec<Value> {
    inputs
        .iter()
        .zip(recipes)
        .map(|(input, recipe)| {
            if let Recipe::Image { spec, .. } = recipe {
                return pictures::declare(graph, &input.name, spec.shape);
            }
            let element = match input.column_type {
                ColumnType::Numeric | ColumnType::Boolean => DataType::Double,
                ColumnType::Categorical | ColumnType::Image => DataType::String,
            };
            let unseen = input.unseen_policy.as_deref().unwrap_or_default();
            let doc = format!("{} {} {unseen}", meaning(input.column_type), input.missing_policy);
            graph.input(&input.name, element, doc.trim_end().to_owned())
        })
        .collect()
}

fn meaning(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Numeric => "A number; NaN is missing.",
        ColumnType::Boolean => "0 is false, any other number is true; NaN is missing.",
        ColumnType::Image => "A picture.",
        ColumnType::Categorical => {
            "A category, without white space around it; the empty text and the missing markers are missing."
        }
    }
}

/// The features, `[N, width]` in f64. `columns` are the values of [`declare`], `markers` the texts that mean "missing".
pub(super) fn features(graph: &mut Graph, recipes: &[Recipe<'_>], columns: &[Value], markers: &[String]) -> Value {
    let parts = Parts::of(recipes, columns);
    let mut blocks = Blocks::default();
    let scaled = parts.numbers(graph, &mut blocks);
    let flags = parts.flags(graph, &mut blocks);
    let categories = parts.categories(graph, &mut blocks, markers);
    let pixels = parts.pixels(graph, &mut blocks);
    let picks = picks(recipes, &[scaled, flags], categories, pixels);
    let all = graph.side_by_side(&blocks.values);
    if picks.iter().copied().eq(0..blocks.width as i64) {
        return all;
    }
    let picks = graph.integers("feature_order", &picks);
    graph.node(STANDARD, "Gather", &[&all, &picks], vec![int("axis", 1)])
}

/// The blocks so far, side by side.
#[derive(Default)]
struct Blocks {
    values: Vec<Value>,
    width: usize,
}

impl Blocks {
    /// Adds a block and gives the place of its first column.
    fn push(&mut self, value: Value, width: usize) -> usize {
        self.values.push(value);
        let place = self.width;
        self.width += width;
        place
    }
}

/// Where a kind of column has its values and its indicators; one column each for every column of the kind.
#[derive(Default, Clone, Copy)]
struct Places {
    values: Option<usize>,
    indicators: Option<usize>,
}

/// The recipes by kind, each with its column.
struct Parts<'a> {
    numbers: Vec<(&'a Value, f64, Option<NumberScaling>, bool)>,
    flags: Vec<(&'a Value, bool, bool, bool)>,
    categories: Vec<(&'a Value, Categories<'a>)>,
    /// Pictures, each with the places in it that are features.
    pictures: Vec<(&'a Value, &'a PictureScaling, &'a [u32])>,
}

/// A column of categories.
struct Categories<'a> {
    own: &'a [String],
    other: Option<usize>,
    missing: Option<usize>,
    width: usize,
}

impl<'a> Parts<'a> {
    fn of(recipes: &[Recipe<'a>], columns: &'a [Value]) -> Self {
        let (numbers, flags, categories) = (Vec::new(), Vec::new(), Vec::new());
        let mut parts = Parts { numbers, flags, categories, pictures: Vec::new() };
        for (recipe, column) in recipes.iter().zip(columns) {
            match *recipe {
                Recipe::Numeric { fill, scaling, indicator, .. } => {
                    parts.numbers.push((column, fill, scaling, indicator));
                }
                Recipe::Image { scaling, features, .. } => {
                    parts.pictures.push((column, scaling, features.unwrap_or_default()));
                }
                Recipe::Boolean { fill, value, indicator, .. } => parts.flags.push((column, fill, value, indicator)),
                Recipe::Categorical { categories: own, other, missing, width, .. } => {
                    parts.categories.push((column, Categories { own, other, missing, width }));
                }
            }
        }
        parts
    }

    /// Filled and scaled numbers, then whether they were missing.
    fn numbers(&self, graph: &mut Graph, blocks: &mut Blocks) -> Places {
        let mut places = Places::default();
        let count = self.numbers.len();
        if count == 0 {
            return places;
        }
        let columns: Vec<Value> = self.numbers.iter().map(|&(column, ..)| column.clone()).collect();
        let numbers = graph.side_by_side(&columns);
        let missing = graph.apply("IsNaN", &[&numbers]);
        if self.numbers.iter().any(|(_, _, scaling, _)| scaling.is_some()) {
            let fills: Vec<f64> = self.numbers.iter().map(|&(_, fill, ..)| fill).collect();
            let fills = graph.doubles("fills", &fills);
            let filled = graph.apply("Where", &[&missing, &fills, &numbers]);
            // A number whose indicator alone is a feature is scaled along with the others and not picked.
            let plain = NumberScaling { center: 0.0, spread: 1.0, limit: f64::MAX };
            let scalings = self.numbers.iter().map(|&(_, _, scaling, _)| scaling.unwrap_or(plain)).collect::<Vec<_>>();
            let scaled = scaled(graph, &filled, &scalings);
            places.values = Some(blocks.push(scaled, count));
        }
        if self.numbers.iter().any(|&(.., indicator)| indicator) {
            let indicators = graph.cast(&missing, DataType::Double);
            places.indicators = Some(blocks.push(indicators, count));
        }
        places
    }

    /// Filled booleans as 0 and 1, then whether they were missing.
    fn flags(&self, graph: &mut Graph, blocks: &mut Blocks) -> Places {
        let mut places = Places::default();
        let count = self.flags.len();
        if count == 0 {
            return places;
        }
        let columns: Vec<Value> = self.flags.iter().map(|&(column, ..)| column.clone()).collect();
        let flags = graph.side_by_side(&columns);
        let missing = graph.apply("IsNaN", &[&flags]);
        if self.flags.iter().any(|&(_, _, value, _)| value) {
            let fills: Vec<f64> = self.flags.iter().map(|&(_, fill, ..)| f64::from(u8::from(fill))).collect();
            let fills = graph.doubles("boolean_fills", &fills);
            let filled = graph.apply("Where", &[&missing, &fills, &flags]);
            let zero = graph.double("false", 0.0);
            let is_false = graph.apply("Equal", &[&filled, &zero]);
            let is_true = graph.apply("Not", &[&is_false]);
            let values = graph.cast(&is_true, DataType::Double);
            places.values = Some(blocks.push(values, count));
        }
        if self.flags.iter().any(|&(.., indicator)| indicator) {
            let indicators = graph.cast(&missing, DataType::Double);
            places.indicators = Some(blocks.push(indicators, count));
        }
        places
    }

    /// One column per category, 1 where the row has it.
    fn categories(&self, graph: &mut Graph, blocks: &mut Blocks, markers: &[String]) -> usize {
        let mut hits = Vec::with_capacity(self.categories.len());
        let mut total = 0;
        for (column, categories) in &self.categories {
            let code = code(graph, column, categories, markers);
            let own = graph.integers("codes", &(0..categories.width as i64).collect::<Vec<_>>());
            hits.push(graph.apply("Equal", &[&code, &own]));
            total += categories.width;
        }
        if hits.is_empty() {
            return blocks.width;
        }
        let hits = graph.side_by_side(&hits);
        let values = graph.cast(&hits, DataType::Double);
        blocks.push(values, total)
    }

    /// Values of pictures, scaled as [`PictureScaling::value`] does it.
    fn pixels(&self, graph: &mut Graph, blocks: &mut Blocks) -> usize {
        let first = blocks.width;
        for &(column, scaling, places) in &self.pictures {
            let rows = pictures::flattened(graph, column);
            let values = graph.cast(&rows, DataType::Double);
            let places: Vec<i64> = places.iter().map(|&place| i64::from(place)).collect();
            let channels = scaling.mean.len().max(1);
            let of_place = |values: &[f64], default: f64| -> Vec<f64> {
                let channel = |place: &i64| usize::try_from(*place).unwrap_or_default() % channels;
                places.iter().map(|place| values.get(channel(place)).copied().unwrap_or(default)).collect()
            };
            let (means, spreads) = (of_place(&scaling.mean, 0.0), of_place(&scaling.spread, 1.0));
            let wanted = graph.integers("pixels", &places);
            let pixels = graph.node(STANDARD, "Gather", &[&values, &wanted], vec![int("axis", 1)]);
            let most = graph.double("most", 255.0);
            let (means, spreads) = (graph.doubles("pixel_means", &means), graph.doubles("pixel_spreads", &spreads));
            let unit = graph.apply("Div", &[&pixels, &most]);
            let centered = graph.apply("Sub", &[&unit, &means]);
            let scaled = graph.apply("Div", &[&centered, &spreads]);
            blocks.push(scaled, places.len());
        }
        first
    }
}

/// `(value - center) / spread`, cut at `±limit`, of each column.
fn scaled(graph: &mut Graph, filled: &Value, scalings: &[NumberScaling]) -> Value {
    let of = |field: fn(&NumberScaling) -> f64| scalings.iter().map(field).collect::<Vec<f64>>();
    let centers = graph.doubles("centers", &of(|scaling| scaling.center));
    let spreads = graph.doubles("spreads", &of(|scaling| scaling.spread));
    let gap = graph.apply("Sub", &[filled, &centers]);
    let mut scaled = graph.apply("Div", &[&gap, &spreads]);
    if scalings.iter().any(|scaling| scaling.center.abs() >= GAP_MAY_OVERFLOW) {
        let apart = of(|scaling| scaling.center / scaling.spread);
        let apart = graph.doubles("scaled_centers", &apart);
        let value = graph.apply("Div", &[filled, &spreads]);
        let careful = graph.apply("Sub", &[&value, &apart]);
        let overflows = graph.apply("IsInf", &[&gap]);
        scaled = graph.apply("Where", &[&overflows, &careful, &scaled]);
    }
    let highest = graph.doubles("highest", &of(|scaling| scaling.limit));
    let lowest = graph.doubles("lowest", &of(|scaling| -scaling.limit));
    let raised = graph.apply("Max", &[&scaled, &lowest]);
    graph.apply("Min", &[&raised, &highest])
}

/// The position of a text among the features of its column, or [`NO_FEATURE`].
fn code(graph: &mut Graph, column: &Value, categories: &Categories<'_>, markers: &[String]) -> Value {
    let place = |position: Option<usize>| position.map_or(NO_FEATURE, |position| position as i64);
    let mut keys: Vec<&str> = categories.own.iter().map(String::as_str).collect();
    let mut codes: Vec<i64> = (0..keys.len() as i64).collect();
    // A category of that name goes before: columns of typed formats may have had it.
    for marker in std::iter::once("").chain(markers.iter().map(|marker| marker.trim())) {
        if !keys.contains(&marker) {
            keys.push(marker);
            codes.push(place(categories.missing));
        }
    }
    let attributes = vec![
        texts("keys_strings", keys.into_iter()),
        ints("values_int64s", codes),
        int("default_int64", place(categories.other)),
    ];
    graph.node(CLASSICAL, "LabelEncoder", &[column], attributes)
}

/// For each feature, in the order of the recipes, its place in the blocks.
fn picks(recipes: &[Recipe<'_>], [numbers, flags]: &[Places; 2], categories: usize, pixels: usize) -> Vec<i64> {
    let (mut number, mut flag, mut category, mut pixel) = (0, 0, categories, pixels);
    let mut picks = Vec::new();
    let mut pick = |block: Option<usize>, column: usize, wanted: bool| {
        picks.extend(block.filter(|_| wanted).map(|place| (place + column) as i64));
    };
    for recipe in recipes {
        match *recipe {
            Recipe::Numeric { scaling, indicator, .. } => {
                pick(numbers.values, number, scaling.is_some());
                pick(numbers.indicators, number, indicator);
                number += 1;
            }
            Recipe::Image { features, .. } => {
                let count = features.map_or(0, <[u32]>::len);
                (0..count).for_each(|place| pick(Some(pixel), place, true));
                pixel += count;
            }
            Recipe::Boolean { value, indicator, .. } => {
                pick(flags.values, flag, value);
                pick(flags.indicators, flag, indicator);
                flag += 1;
            }
            Recipe::Categorical { width, .. } => {
                (0..width).for_each(|position| pick(Some(category), position, true));
                category += width;
            }
        }
    }
    picks
}
