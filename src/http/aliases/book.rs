//! What every alias is, in memory, so that a prediction needs no query for it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::route::Key;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::models::{Served, find_served};
use crate::records::AliasRecord;

/// All aliases as they were at one moment; exchanged whole, so that nobody sees half a change.
#[derive(Default)]
pub(super) struct Book {
    pages: RwLock<Arc<Pages>>,
}

#[derive(Default, Clone)]
struct Pages {
    /// Every change up to this revision is in here.
    revision: u64,
    entries: HashMap<String, Arc<Entry>>,
}

/// An alias, and its models as it serves them.
pub(super) struct Entry {
    pub(super) record: AliasRecord,
    /// Of the targets, in their order.
    slots: Vec<Slot>,
}

/// A model as an alias serves it, kept as long as the model does not change.
#[derive(Default)]
struct Slot(RwLock<Option<Made>>);

struct Made {
    from: Arc<Served>,
    served: Arc<Served>,
}

impl Book {
    pub(super) fn get(&self, name: &str) -> Option<Arc<Entry>> {
        self.pages().entries.get(name).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.pages().entries.values().cloned().collect()
    }

    /// Up to which revision the book is complete.
    pub(super) fn revision(&self) -> u64 {
        self.pages().revision
    }

    /// Learns of one alias ahead of the others, unless it is known to have changed since.
    pub(super) fn learn(&self, record: AliasRecord) -> Arc<Entry> {
        let entry = Entry::new(record);
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        let revision = entry.record.revision;
        let newer = pages.entries.get(&entry.record.name).is_none_or(|known| known.record.revision < revision);
        if revision > pages.revision && newer {
            Arc::make_mut(&mut pages).entries.insert(entry.record.name.clone(), entry.clone());
        }
        entry
    }

    /// Exchanges everything for what was read when the latest change was `revision`, but for what was learnt since. Does
    /// nothing if the book is further.
    pub(super) fn replace(&self, revision: u64, entries: Vec<Arc<Entry>>) {
        let mut entries: HashMap<_, _> = entries.into_iter().map(|entry| (entry.record.name.clone(), entry)).collect();
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        if revision < pages.revision {
            return;
        }
        for (name, learnt) in pages.entries.iter().filter(|(_, entry)| entry.record.revision > revision) {
            let later = |entry: &Arc<Entry>| entry.record.revision >= learnt.record.revision;
            if !entries.get(name).is_some_and(later) {
                entries.insert(name.clone(), learnt.clone());
            }
        }
        *pages = Arc::new(Pages { revision, entries });
    }

    fn pages(&self) -> Arc<Pages> {
        self.pages.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Entry {
    pub(super) fn new(record: AliasRecord) -> Arc<Self> {
        let slots = record.targets.iter().map(|_| Slot::default()).collect();
        Arc::new(Self { record, slots })
    }

    /// The model that answers a request with this key ([`AliasRecord::target_at`]).
    ///
    /// # Errors
    /// What finding the model answers.
    pub(super) async fn served(&self, state: &AppState, key: Key<'_>) -> Result<Arc<Served>, ApiError> {
        // One model needs no key.
        let point = if self.slots.len() > 1 { key.point(&self.record.name) } else { 0 };
        let chosen = self.record.target_at(point);
        let chosen =
            chosen.ok_or_else(|| ApiError::internal(format!("the alias {} has no target", self.record.name)))?;
        let model = find_served(state, chosen.model.id).await?;
        let slot = self.record.targets.iter().zip(&self.slots).find(|(target, _)| *target == chosen);
        Ok(match slot {
            Some((_, slot)) => slot.get(model, &self.record),
            None => Arc::new(model.by_alias(&self.record.name, self.record.prevalence)),
        })
    }
}

impl Slot {
    fn get(&self, model: Arc<Served>, alias: &AliasRecord) -> Arc<Served> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = known.as_ref().filter(|made| Arc::ptr_eq(&made.from, &model)) {
            return made.served.clone();
        }
        drop(known);
        let served = Arc::new(model.by_alias(&alias.name, alias.prevalence));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Made { from: model, served: served.clone() });
        served
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::aliases::representation::tests::sample_alias;

    fn alias(name: &str, revision: u64) -> AliasRecord {
        AliasRecord { name: name.to_owned(), revision, ..sample_alias() }
    }

    fn known(book: &Book, name: &str) -> Option<u64> {
        book.get(name).map(|entry| entry.record.revision)
    }

    #[test]
    fn what_is_learnt_late_does_not_undo_what_is_known() {
        let book = Book::default();
        book.learn(alias("champion", 3));
        book.learn(alias("champion", 2));
        assert_eq!(known(&book, "champion"), Some(3));
        book.replace(4, vec![Entry::new(alias("canary", 4))]);
        assert_eq!((known(&book, "champion"), known(&book, "canary")), (None, Some(4)));
        book.learn(alias("champion", 3));
        assert_eq!(known(&book, "champion"), None, "it was deleted by revision 4");
        book.replace(3, vec![]);
        assert_eq!((known(&book, "canary"), book.revision()), (Some(4), 4));
        book.learn(alias("champion", 6));
        book.replace(5, vec![Entry::new(alias("champion", 5))]);
        assert_eq!((known(&book, "champion"), known(&book, "canary")), (Some(6), None), "5 was read before 6 was made");
    }
}
