//! How shadows compare, summed over all processes.

use super::read::named;
use crate::clock::Timestamp;
use crate::records::{AliasId, ShadowComparison, ShadowCounts, ShadowPair};
use crate::store::row::{Place, columns, stored};
use crate::store::{Result, Store};

const TABLE: &str = "alias_shadow_counts";

/// Adds to the counts of a pair that the alias still has; of one that it no longer has, or whose alias is gone, nothing
/// is kept.
const ADD: &str = "INSERT INTO alias_shadow_counts
         (alias_id, model_id, shadow_model_id, first_at, requests, row_count, only_model_positive, only_shadow_positive,
          difference_sum, absolute_difference_sum, largest_difference, dropped, failed)
     SELECT a.id, t.model_id, a.shadow_model_id, CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT),
            CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS DOUBLE PRECISION), CAST($7 AS DOUBLE PRECISION),
            CAST($8 AS DOUBLE PRECISION), CAST($9 AS BIGINT), CAST($10 AS BIGINT)
     FROM aliases a JOIN alias_targets t ON t.alias_id = a.id
     WHERE a.id = $11 AND t.model_id = $12 AND a.shadow_model_id = $13
     ON CONFLICT (alias_id, model_id, shadow_model_id) DO UPDATE SET
         requests = alias_shadow_counts.requests + excluded.requests,
         row_count = alias_shadow_counts.row_count + excluded.row_count,
         only_model_positive = alias_shadow_counts.only_model_positive + excluded.only_model_positive,
         only_shadow_positive = alias_shadow_counts.only_shadow_positive + excluded.only_shadow_positive,
         difference_sum = alias_shadow_counts.difference_sum + excluded.difference_sum,
         absolute_difference_sum = alias_shadow_counts.absolute_difference_sum + excluded.absolute_difference_sum,
         largest_difference = CASE WHEN excluded.largest_difference > alias_shadow_counts.largest_difference
             THEN excluded.largest_difference ELSE alias_shadow_counts.largest_difference END,
         dropped = alias_shadow_counts.dropped + excluded.dropped,
         failed = alias_shadow_counts.failed + excluded.failed";

impl Store {
    /// Adds counts to those of the pair. False, and nothing kept, if the alias does not have the pair any more.
    pub async fn add_shadow_counts(&self, pair: &ShadowPair, counts: &ShadowCounts) -> Result<bool> {
        let done = sqlx::query(ADD)
            .bind(self.now())
            .bind(stored(counts.requests))
            .bind(stored(counts.rows))
            .bind(stored(counts.only_model_positive))
            .bind(stored(counts.only_shadow_positive))
            .bind(counts.difference_sum)
            .bind(counts.absolute_difference_sum)
            .bind(counts.largest_difference)
            .bind(stored(counts.dropped))
            .bind(stored(counts.failed))
            .bind(pair.alias.to_string())
            .bind(pair.model.to_string())
            .bind(pair.shadow.to_string())
            .execute(self.pool())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Of the pairs that the alias has now, in the order of its targets; those that nothing was counted of are left out.
    pub async fn shadow_comparisons(&self, alias: AliasId) -> Result<Vec<ShadowComparison>> {
        let rows: Vec<CountsRow> = sqlx::query_as(
            "SELECT c.alias_id, c.model_id, m.name AS model_name, m.version AS model_version,
                    c.shadow_model_id, s.name AS shadow_name, s.version AS shadow_version,
                    c.first_at, c.requests, c.row_count, c.only_model_positive, c.only_shadow_positive,
                    c.difference_sum, c.absolute_difference_sum, c.largest_difference, c.dropped, c.failed
             FROM alias_shadow_counts c
             JOIN alias_targets t ON t.alias_id = c.alias_id AND t.model_id = c.model_id
             JOIN models m ON m.id = c.model_id
             JOIN models s ON s.id = c.shadow_model_id
             WHERE c.alias_id = $1
             ORDER BY t.position",
        )
        .bind(alias.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(CountsRow::comparison).collect()
    }
}

columns! {
    struct CountsRow {
        alias_id: String,
        model_id: String,
        model_name: String,
        model_version: i64,
        shadow_model_id: String,
        shadow_name: String,
        shadow_version: i64,
        first_at: i64,
        requests: i64,
        row_count: i64,
        only_model_positive: i64,
        only_shadow_positive: i64,
        difference_sum: f64,
        absolute_difference_sum: f64,
        largest_difference: f64,
        dropped: i64,
        failed: i64,
    }
}

impl CountsRow {
    fn comparison(self) -> Result<ShadowComparison> {
        let place = Place { table: TABLE, id: &self.alias_id };
        let counts = ShadowCounts {
            requests: place.number("requests", self.requests)?,
            rows: place.number("row_count", self.row_count)?,
            only_model_positive: place.number("only_model_positive", self.only_model_positive)?,
            only_shadow_positive: place.number("only_shadow_positive", self.only_shadow_positive)?,
            difference_sum: self.difference_sum,
            absolute_difference_sum: self.absolute_difference_sum,
            largest_difference: self.largest_difference,
            dropped: place.number("dropped", self.dropped)?,
            failed: place.number("failed", self.failed)?,
        };
        Ok(ShadowComparison {
            model: named(place, &self.model_id, &self.model_name, self.model_version)?,
            shadow: named(place, &self.shadow_model_id, &self.shadow_name, self.shadow_version)?,
            first_at: Timestamp::from_micros(self.first_at),
            counts,
        })
    }
}
