//! JSON straight into columns, where it is plainly right.

use std::borrow::Cow;

use super::grid::{GridBuilder, Slot};
use super::scan::Scan;
use super::{InputRows, Inputs};
use crate::ml::table::cell::{Cell, MissingMarkers};
use crate::ml::table::{ColumnType, TableLimits};

/// Members of objects that the model does not read, at most: looking for one among very many would take longer than the
/// exact reader does.
const MAX_IGNORED: usize = 64;

/// A request in JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonRows {
    pub rows: InputRows,
    /// Both not checked yet.
    pub threshold: Option<f64>,
    pub prevalence: Option<f64>,
}

/// Reads a request, `rows` or `columns` with `data`, in one pass. `None` for whatever is not plainly right: what is no
/// JSON, mistakes, members that come twice, more rows than `limits` allow, no rows; but also a few things that are
/// right, such as `data` ahead of `columns` or nested values in columns that are ignored.
pub fn quick_json(bytes: &[u8], inputs: &Inputs, limits: &TableLimits) -> Option<JsonRows> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut scan = Scan::new(text);
    let mut names: Option<Vec<Cow<'_, str>>> = None;
    let mut rows: Option<InputRows> = None;
    let (mut threshold, mut prevalence) = (None, None);
    open(&mut scan, b'{')?;
    loop {
        scan.peek()?;
        let name = scan.string()?;
        scan.eat(b':').then_some(())?;
        match &*name {
            "rows" if rows.is_none() && names.is_none() => rows = Some(objects(&mut scan, inputs, limits)?),
            "columns" if rows.is_none() && names.is_none() => names = Some(strings(&mut scan)?),
            "data" if rows.is_none() => rows = Some(arrays(&mut scan, names.as_deref()?, inputs, limits)?),
            "threshold" if threshold.is_none() => threshold = Some(optional_number(&mut scan)?),
            "prevalence" if prevalence.is_none() => prevalence = Some(optional_number(&mut scan)?),
            _ => return None,
        }
        if !next(&mut scan, b'}')? {
            break;
        }
    }
    let rows = rows.filter(|_| scan.is_at_end())?;
    Some(JsonRows { rows, threshold: threshold.flatten(), prevalence: prevalence.flatten() })
}

/// Reads lines of objects; lines of nothing but white space do not count.
pub(super) fn quick_ndjson(bytes: &[u8], inputs: &Inputs, limits: &TableLimits) -> Option<InputRows> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut objects = Objects::new(inputs, limits);
    for line in text.split('\n') {
        let mut scan = Scan::new(line);
        if scan.is_at_end() {
            continue;
        }
        if line.len() > limits.max_row_bytes {
            return None;
        }
        objects.row(&mut scan)?;
        scan.is_at_end().then_some(())?;
    }
    Some(objects.finish())
}

/// Passes the beginning of an array or object that is not empty.
fn open(scan: &mut Scan<'_>, mark: u8) -> Option<()> {
    scan.eat(mark).then_some(())
}

/// Whether another item follows, or else the end.
#[inline]
fn next(scan: &mut Scan<'_>, end: u8) -> Option<bool> {
    if scan.eat(b',') {
        return Some(true);
    }
    scan.eat(end).then_some(false)
}

fn optional_number(scan: &mut Scan<'_>) -> Option<Option<f64>> {
    match scan.peek()? {
        b'n' => scan.word("null").map(|()| None),
        _ => scan.number().map(Some),
    }
}

fn strings<'a>(scan: &mut Scan<'a>) -> Option<Vec<Cow<'a, str>>> {
    open(scan, b'[')?;
    let mut found = Vec::new();
    loop {
        scan.peek()?;
        found.push(scan.string()?);
        if !next(scan, b']')? {
            return Some(found);
        }
    }
}

/// A list of objects.
fn objects(scan: &mut Scan<'_>, inputs: &Inputs, limits: &TableLimits) -> Option<InputRows> {
    open(scan, b'[')?;
    let mut objects = Objects::new(inputs, limits);
    loop {
        objects.row(scan)?;
        if !next(scan, b']')? {
            return Some(objects.finish());
        }
    }
}

/// A list of lists, whose values are in the order of `names`.
fn arrays(scan: &mut Scan<'_>, names: &[Cow<'_, str>], inputs: &Inputs, limits: &TableLimits) -> Option<InputRows> {
    let mut columns = Columns::new(inputs, limits);
    let mut ignored = Vec::new();
    let mut places = Vec::with_capacity(names.len());
    let mut seen = vec![false; inputs.len()];
    for (guess, name) in names.iter().enumerate() {
        let place = inputs.position(name, guess);
        match place {
            Some(place) => (!std::mem::replace(seen.get_mut(place)?, true)).then_some(())?,
            None => ignored.push(name.to_string()),
        }
        places.push(place);
    }
    seen.iter().all(|seen| *seen).then_some(())?;
    ignored.sort_unstable();
    ignored.is_sorted_by(|a, b| a < b).then_some(())?;
    open(scan, b'[')?;
    loop {
        open(scan, b'[')?;
        columns.grid.begin_row();
        for (index, place) in places.iter().enumerate() {
            match place {
                Some(place) => columns.value(scan, *place)?,
                None => pass_scalar(scan)?,
            }
            (next(scan, b']')? == (index + 1 < places.len())).then_some(())?;
        }
        columns.end_row()?;
        if !next(scan, b']')? {
            return Some(columns.finish(ignored));
        }
    }
}

/// Columns that grow by a value of each row.
struct Columns<'a> {
    grid: GridBuilder,
    rows: usize,
    markers: MissingMarkers,
    limits: &'a TableLimits,
}

impl<'a> Columns<'a> {
    fn new(inputs: &Inputs, limits: &'a TableLimits) -> Self {
        Self { grid: GridBuilder::new(inputs, limits, 1), rows: 0, markers: MissingMarkers::new(&[]), limits }
    }

    #[inline]
    fn value(&mut self, scan: &mut Scan<'_>, place: usize) -> Option<()> {
        let first = scan.peek()?;
        match (self.grid.slot(place)?, first) {
            (Slot::Number(number), b'-' | b'0'..=b'9') => *number = scan.number()? + 0.0,
            (Slot::Number(number), b'n') => {
                scan.word("null")?;
                *number = f64::NAN;
            }
            (Slot::Number(_), _) => return None,
            (slot, b'n') => {
                scan.word("null")?;
                slot.put(Cell::Missing)?;
            }
            (slot, b't') => {
                scan.word("true")?;
                slot.put(Cell::Boolean(true))?;
            }
            (slot, b'f') => {
                scan.word("false")?;
                slot.put(Cell::Boolean(false))?;
            }
            (Slot::Other(ColumnType::Boolean, _), _) => return None,
            (slot, b'"') => slot.put_text(&scan.string()?, &self.markers, self.limits)?,
            (slot, _) => slot.put(Cell::Number(scan.number()?))?,
        }
        Some(())
    }

    fn end_row(&mut self) -> Option<()> {
        self.rows += 1;
        (self.rows as u64 <= self.limits.max_rows).then_some(())
    }

    fn finish(self, ignored_columns: Vec<String>) -> InputRows {
        InputRows { columns: self.grid.finish(), rows: self.rows, ignored_columns }
    }
}

/// Columns that grow by objects.
struct Objects<'a> {
    inputs: &'a Inputs,
    columns: Columns<'a>,
    /// The place of the column that each member of the last row had.
    order: Vec<usize>,
    /// For each column the number of rows when it was last seen: a member that comes twice is found by it.
    seen: Vec<usize>,
    /// Other members, with the same.
    ignored: Vec<(String, usize)>,
}

impl<'a> Objects<'a> {
    fn new(inputs: &'a Inputs, limits: &'a TableLimits) -> Self {
        let columns = Columns::new(inputs, limits);
        Self { inputs, columns, order: Vec::new(), seen: vec![0; inputs.len()], ignored: Vec::new() }
    }

    fn row(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        open(scan, b'{')?;
        self.columns.grid.begin_row();
        let row = self.columns.rows + 1;
        let (mut member, mut known) = (0, 0);
        loop {
            scan.peek()?;
            let name = scan.string()?;
            scan.eat(b':').then_some(())?;
            let guess = self.order.get(member).copied().unwrap_or(member);
            match self.inputs.position(&name, guess) {
                Some(place) => {
                    (std::mem::replace(self.seen.get_mut(place)?, row) < row).then_some(())?;
                    self.remember(member, place);
                    self.columns.value(scan, place)?;
                    known += 1;
                }
                None => self.ignore(&name, row, scan)?,
            }
            member += 1;
            if !next(scan, b'}')? {
                break;
            }
        }
        (known == self.inputs.len()).then_some(())?;
        self.columns.end_row()
    }

    #[inline]
    fn remember(&mut self, member: usize, place: usize) {
        if self.order.len() <= member {
            self.order.resize(member + 1, usize::MAX);
        }
        if let Some(last) = self.order.get_mut(member) {
            *last = place;
        }
    }

    fn ignore(&mut self, name: &str, row: usize, scan: &mut Scan<'_>) -> Option<()> {
        let are_many = self.ignored.len() >= MAX_IGNORED;
        match self.ignored.iter_mut().find(|(ignored, _)| ignored == name) {
            Some((_, seen)) => (std::mem::replace(seen, row) < row).then_some(())?,
            None if are_many => return None,
            None => self.ignored.push((name.to_owned(), row)),
        }
        pass_scalar(scan)
    }

    fn finish(self) -> InputRows {
        let mut ignored: Vec<String> = self.ignored.into_iter().map(|(name, _)| name).collect();
        ignored.sort_unstable();
        self.columns.finish(ignored)
    }
}

/// Passes a value that nobody reads, unless it is an array or an object.
fn pass_scalar(scan: &mut Scan<'_>) -> Option<()> {
    match scan.peek()? {
        b'"' => scan.string().map(|_| ()),
        b't' => scan.word("true"),
        b'f' => scan.word("false"),
        b'n' => scan.word("null"),
        _ => scan.number().map(|_| ()),
    }
}
