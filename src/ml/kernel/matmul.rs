//! The matrix product, for matrices that lie in the cache: batches and layers of networks on tables.
//!
//! `C (rows × columns) = start + A (rows × depth) · B (depth × columns)`. A tile of C stays in registers while the
//! depth runs; each of its values is one chain of fused multiply-adds in the order of the depth. So the bits do not
//! depend on the tile that a value fell into, on the instruction set, or on the thread. Nothing is packed: B is read
//! along its rows, and at these sizes that is as quick as a packed copy, without the copy.

use super::{LANES, Level, level};

/// The left factor: a slice with a step from row to row and one from column to column, so that a transposed matrix
/// needs no copy.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    pub values: &'a [f32],
    /// From one row to the next.
    pub row_step: usize,
    /// From one step of the depth to the next.
    pub depth_step: usize,
}

/// What the products are added to.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    Zero,
    /// The same row for every row of C.
    Row(&'a [f32]),
    /// What is in C.
    Present,
}

/// [`matmul`] or [`matmul_shared`].
pub type Matmul = fn([usize; 3], Left<'_>, &[f32], usize, Start<'_>, &mut [f32], usize);

/// Multiply-adds below which sharing the work costs more than it saves.
const WORTH_SHARING: usize = 1 << 21;

/// Writes `rows × columns` values to `c`, whose rows are `c_stride` apart, as those of `b` are `b_stride` apart.
/// `columns` is a multiple of [`LANES`].
///
/// # Panics
/// If a slice is too short for its matrix.
pub fn matmul(
    sides: [usize; 3],
    a: Left<'_>,
    b: &[f32],
    b_stride: usize,
    start: Start<'_>,
    c: &mut [f32],
    c_stride: usize,
) {
    if let Some(product) = Product::checked(sides, a, b, b_stride, start, c, c_stride) {
        product.rows(sides[0], a, c);
    }
}

/// As [`matmul`]; on a thread of a rayon pool with several threads, a large product is shared by rows of C. The bits
/// are the same.
///
/// # Panics
/// As of [`matmul`].
pub fn matmul_shared(
    sides: [usize; 3],
    a: Left<'_>,
    b: &[f32],
    b_stride: usize,
    start: Start<'_>,
    c: &mut [f32],
    c_stride: usize,
) {
    let Some(product) = Product::checked(sides, a, b, b_stride, start, c, c_stride) else { return };
    let threads = if is_worth_sharing(sides) { threads() } else { 1 };
    product.share(sides[0], a, c, threads);
}

/// Whether so many multiply-adds, or as much work, are sooner done by several threads.
fn is_worth_sharing(sides: [usize; 3]) -> bool {
    sides.iter().fold(1_usize, |product, &side| product.saturating_mul(side)) >= WORTH_SHARING
}

/// The threads that work can be shared with from here: those of the rayon pool that this thread belongs to.
pub fn threads() -> usize {
    if rayon::current_thread_index().is_some() { rayon::current_num_threads() } else { 1 }
}

/// Everything of a product but the rows of A and C.
#[derive(Clone, Copy)]
struct Product<'a> {
    depth: usize,
    columns: usize,
    b: &'a [f32],
    b_stride: usize,
    start: Start<'a>,
    c_stride: usize,
}

impl<'a> Product<'a> {
    /// The product, if there is anything to compute.
    fn checked(
        [rows, depth, columns]: [usize; 3],
        a: Left<'_>,
        b: &'a [f32],
        b_stride: usize,
        start: Start<'a>,
        c: &[f32],
        c_stride: usize,
    ) -> Option<Self> {
        if rows == 0 || columns == 0 {
            return None;
        }
        assert!(columns.is_multiple_of(LANES) && columns <= c_stride, "C has {columns} columns in rows of {c_stride}");
        assert!(c.len() >= (rows - 1) * c_stride + columns, "C is too short");
        if depth > 0 {
            assert!(columns <= b_stride && b.len() >= (depth - 1) * b_stride + columns, "B is too short");
            assert!(a.values.len() > (rows - 1) * a.row_step + (depth - 1) * a.depth_step, "A is too short");
        }
        if let Start::Row(row) = start {
            assert!(row.len() >= columns, "the row to start from is too short");
        }
        Some(Self { depth, columns, b, b_stride, start, c_stride })
    }
}

impl Product<'_> {
    /// Halves the rows until each thread has its part.
    fn share(&self, rows: usize, a: Left<'_>, c: &mut [f32], threads: usize) {
        if threads < 2 || rows < 2 {
            return self.rows(rows, a, c);
        }
        let upper = rows / 2;
        let (above, below) = c.split_at_mut(upper * self.c_stride);
        let rest = Left { values: a.values.get(upper * a.row_step..).unwrap_or_default(), ..a };
        rayon::join(
            || self.share(upper, a, above, threads / 2),
            || self.share(rows - upper, rest, below, threads - threads / 2),
        );
    }

    fn rows(&self, rows: usize, a: Left<'_>, c: &mut [f32]) {
        match level() {
            // SAFETY: the level says that the processor has these instructions; `checked` looked at the lengths.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { self.avx512(rows, a, c) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { self.avx2(rows, a, c) },
            _ => self.portable(rows, a, c),
        }
    }

    /// One row and sixteen columns at a time: for processors without vectors of our own, and as the plain version
    /// that tests hold the others against.
    fn portable(&self, rows: usize, a: Left<'_>, c: &mut [f32]) {
        for row in 0..rows {
            for column in (0..self.columns).step_by(LANES) {
                let to = row * self.c_stride + column;
                let Some(out) = c.get_mut(to..to + LANES) else { return };
                match self.start {
                    Start::Zero => out.fill(0.0),
                    Start::Row(values) => out.copy_from_slice(&values[column..column + LANES]),
                    Start::Present => {}
                }
                for step in 0..self.depth {
                    let factor = a.values[row * a.row_step + step * a.depth_step];
                    let from = step * self.b_stride + column;
                    for (sum, &value) in out.iter_mut().zip(&self.b[from..from + LANES]) {
                        *sum = factor.mul_add(value, *sum);
                    }
                }
            }
        }
    }
}

/// The loops over tiles, for vectors of one width. `tile!(M, V)` computes M rows and V vectors.
#[cfg(target_arch = "x86_64")]
macro_rules! tiled {
    ($name:ident, $features:literal, $vector:ty, $lanes:literal, $zero:ident, $load:ident, $store:ident, $splat:ident,
     $fma:ident, $widest:literal, $tallest:literal) => {
        impl Product<'_> {
            /// # Safety
            /// The processor has the features, and the slices are long enough, as `checked` makes sure.
            #[target_feature(enable = $features)]
            unsafe fn $name(&self, rows: usize, a: Left<'_>, c: &mut [f32]) {
                /// # Safety
                /// As of the function around it, for `M` rows and `V` vectors from the given places on.
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn tile<const M: usize, const V: usize>(
                    product: &Product<'_>,
                    a: *const f32,
                    steps: [usize; 2],
                    column: usize,
                    c: *mut f32,
                ) {
                    use std::arch::x86_64::*;
                    let [row_step, depth_step] = steps;
                    // SAFETY: the caller's.
                    unsafe {
                        let b = product.b.as_ptr().add(column);
                        let mut sums: [[$vector; V]; M] = [[$zero(); V]; M];
                        for (row, sums) in sums.iter_mut().enumerate() {
                            for (vector, sum) in sums.iter_mut().enumerate() {
                                match product.start {
                                    Start::Zero => {}
                                    Start::Row(values) => {
                                        *sum = $load(values.as_ptr().add(column + vector * $lanes));
                                    }
                                    Start::Present => {
                                        *sum = $load(c.add(row * product.c_stride + vector * $lanes));
                                    }
                                }
                            }
                        }
                        for step in 0..product.depth {
                            let mut right: [$vector; V] = [$zero(); V];
                            for (vector, value) in right.iter_mut().enumerate() {
                                *value = $load(b.add(step * product.b_stride + vector * $lanes));
                            }
                            for (row, sums) in sums.iter_mut().enumerate() {
                                let left = $splat(*a.add(row * row_step + step * depth_step));
                                for (sum, &value) in sums.iter_mut().zip(&right) {
                                    *sum = $fma(left, value, *sum);
                                }
                            }
                        }
                        for (row, sums) in sums.iter().enumerate() {
                            for (vector, &sum) in sums.iter().enumerate() {
                                $store(c.add(row * product.c_stride + vector * $lanes), sum);
                            }
                        }
                    }
                }

                /// # Safety
                /// As of the function around it.
                #[inline]
                #[target_feature(enable = $features)]
                unsafe fn panel<const V: usize>(
                    product: &Product<'_>,
                    rows: usize,
                    a: Left<'_>,
                    column: usize,
                    c: &mut [f32],
                ) {
                    let steps = [a.row_step, a.depth_step];
                    let mut row = 0;
                    // SAFETY: the caller's; no tile goes beyond `rows`.
                    unsafe {
                        while row < rows {
                            let from = a.values.as_ptr().add(row * a.row_step);
                            let to = c.as_mut_ptr().add(row * product.c_stride + column);
                            let height = (rows - row).min($tallest);
                            match height {
                                1 => tile::<1, V>(product, from, steps, column, to),
                                2 => tile::<2, V>(product, from, steps, column, to),
                                3 => tile::<3, V>(product, from, steps, column, to),
                                4 => tile::<4, V>(product, from, steps, column, to),
                                5 => tile::<5, V>(product, from, steps, column, to),
                                _ => tile::<6, V>(product, from, steps, column, to),
                            }
                            row += height;
                        }
                    }
                }

                let mut column = 0;
                // SAFETY: the caller's; no panel goes beyond `columns`, which is a multiple of sixteen.
                unsafe {
                    while column < self.columns {
                        let vectors = ((self.columns - column) / $lanes).min($widest);
                        match vectors {
                            1 => panel::<1>(self, rows, a, column, c),
                            2 => panel::<2>(self, rows, a, column, c),
                            3 => panel::<{ if $widest < 3 { 1 } else { 3 } }>(self, rows, a, column, c),
                            _ => panel::<{ if $widest < 4 { 1 } else { 4 } }>(self, rows, a, column, c),
                        }
                        column += vectors * $lanes;
                    }
                }
            }
        }
    };
}

// Six rows and four vectors of sixteen: 24 sums, four values of B and one of A are 29 of 32 registers.
#[cfg(target_arch = "x86_64")]
tiled!(
    avx512,
    "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma",
    __m512,
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    4,
    6
);
// Six rows and two vectors of eight: 12 sums, two values of B and one of A are 15 of 16 registers.
#[cfg(target_arch = "x86_64")]
tiled!(
    avx2,
    "avx2,fma",
    __m256,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    2,
    6
);

super::vectorized! {
    /// Writes the transpose of `from`, `rows × columns` with rows `from_stride` apart, to `to`, whose rows are
    /// `to_stride` apart.
    pub fn transpose(sides: [usize; 2], from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
        let [rows, columns] = sides;
        for top in (0..rows).step_by(LANES) {
            let height = (rows - top).min(LANES);
            for left in (0..columns).step_by(LANES) {
                let width = (columns - left).min(LANES);
                // Rows that are a power of two apart fall on the same few lines of the cache; read once into a
                // square of its own, they are crossed there.
                let mut square = [[0.0_f32; LANES]; LANES];
                for (row, line) in square.iter_mut().enumerate().take(height) {
                    let start = (top + row) * from_stride + left;
                    let values = &from[start..start + width];
                    match values.as_array::<LANES>() {
                        Some(values) => *line = *values,
                        None => line[..width].copy_from_slice(values),
                    }
                }
                for column in 0..width {
                    let out = &mut to[(left + column) * to_stride + top..][..height];
                    for (value, line) in out.iter_mut().zip(&square) {
                        *value = line[column];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(length: usize, seed: u32) -> Vec<f32> {
        (0..length as u32).map(|i| ((i.wrapping_mul(2_654_435_761) ^ seed) % 1_000) as f32 / 500.0 - 1.0).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// The plain loop is the reference; sizes straddle every tile.
        #[test]
        fn every_level_gives_the_bits_of_the_plain_loop(
            rows in 1_usize..20, depth in 0_usize..40, vectors in 1_usize..7, transposed: bool, kind in 0..3, seed: u32,
        ) {
            let columns = vectors * LANES;
            let (a, b) = (filled(rows * depth.max(1), seed), filled(depth.max(1) * (columns + 16), seed ^ 77));
            let (row_step, depth_step) = if transposed { (1, rows) } else { (depth.max(1), 1) };
            let left = Left { values: &a, row_step, depth_step };
            let bias = filled(columns, 5);
            let start = [Start::Zero, Start::Row(&bias), Start::Present][kind as usize];
            let mut found = filled(rows * columns, 9);
            let mut plain = found.clone();
            let mut half = found.clone();
            matmul([rows, depth, columns], left, &b, columns + 16, start, &mut found, columns);
            let product = Product { depth, columns, b: &b, b_stride: columns + 16, start, c_stride: columns };
            product.portable(rows, left, &mut plain);
            prop_assert_eq!(&found, &plain);
            #[cfg(target_arch = "x86_64")]
            if level() >= Level::Avx2 {
                // SAFETY: the processor has the instructions, and `matmul` accepted the same slices.
                unsafe { product.avx2(rows, left, &mut half) };
                prop_assert_eq!(&half, &plain);
            }
        }

        #[test]
        fn a_transpose_crosses_rows_and_columns(rows in 1_usize..40, columns in 1_usize..40) {
            let from = filled(rows * columns, 3);
            let mut to = vec![0.0; columns * (rows + 5)];
            transpose([rows, columns], &from, columns, &mut to, rows + 5);
            for row in 0..rows {
                for column in 0..columns {
                    prop_assert_eq!(to[column * (rows + 5) + row], from[row * columns + column]);
                }
            }
        }
    }

    #[test]
    fn a_shared_product_has_the_same_bits() {
        let (rows, depth, columns) = (131, 140, 128);
        let (a, b) = (filled(rows * depth, 1), filled(depth * columns, 2));
        let left = Left { values: &a, row_step: depth, depth_step: 1 };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut c = vec![0.0; rows * columns];
            pool.install(|| matmul_shared([rows, depth, columns], left, &b, columns, Start::Zero, &mut c, columns));
            c
        };
        assert!(rows * depth * columns >= WORTH_SHARING);
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(5));
    }
}
