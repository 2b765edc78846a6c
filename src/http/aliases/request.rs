//! Reads what an alias is to be.

use serde_json::Value;

use crate::ml::config::{FieldError, ObjectReader, Range};
use crate::records::{AliasRecord, ModelId};
use crate::store::{MAX_ALIAS_TARGETS, NewAlias};

const MAX_WEIGHT: u64 = 1_000_000;
/// Longer than any id.
const MAX_ID_CHARS: usize = 100;

/// What a request asks an alias to be, checked as far as that can be done without looking at models.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) targets: Vec<WantedModel>,
    pub(super) shadow: Option<WantedModel>,
    pub(super) prevalence: Option<f64>,
}

/// A model that an alias is to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedModel {
    pub(super) id: ModelId,
    /// Of a shadow 1.
    pub(super) weight: u32,
    /// Where the request names it.
    pub(super) pointer: String,
}

impl Wanted {
    /// # Errors
    /// Every mistake with its JSON pointer.
    pub(super) fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut reader = ObjectReader::new(body, "", &mut errors);
        let targets = read_targets(&mut reader, &mut errors);
        let shadow = match reader.present("shadow").is_some() {
            true => {
                let mut shadow = reader.object("shadow", &mut errors);
                let model = read_model(&mut shadow, 1, &mut errors);
                shadow.finish(&mut errors);
                model
            }
            false => None,
        };
        let prevalence = reader.optional_number("prevalence", Range::Open(0.0, 1.0), &mut errors);
        if body.is_object() {
            reader.finish(&mut errors);
        }
        check_distinct(&targets, shadow.as_ref(), &mut errors);
        if errors.is_empty() { Ok(Self { targets, shadow, prevalence }) } else { Err(errors) }
    }

    /// Every model that is named.
    pub(super) fn models(&self) -> impl Iterator<Item = &WantedModel> {
        self.targets.iter().chain(&self.shadow)
    }

    /// Whether an alias is like that already.
    pub(super) fn is_met_by(&self, alias: &AliasRecord) -> bool {
        let have = alias.targets.iter().map(|target| (target.model.id, target.weight));
        let want = self.targets.iter().map(|target| (target.id, target.weight));
        have.eq(want)
            && alias.shadow.as_ref().map(|model| model.id) == self.shadow.as_ref().map(|model| model.id)
            && alias.prevalence == self.prevalence
    }

    pub(super) fn new_alias(&self, name: String, set_by: String) -> NewAlias {
        NewAlias {
            name,
            targets: self.targets.iter().map(|target| (target.id, target.weight)).collect(),
            shadow: self.shadow.as_ref().map(|model| model.id),
            prevalence: self.prevalence,
            set_by,
        }
    }
}

/// One model, or several with weights.
fn read_targets(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Vec<WantedModel> {
    // One that is `null` is no way to leave it out: what was meant by it?
    match (reader.value("model_id").is_some(), reader.value("targets").is_some()) {
        (true, false) => read_model(reader, 1, errors).into_iter().collect(),
        (false, true) => read_split(reader, errors),
        (one, _) => {
            let found = if one { "both" } else { "neither" };
            reader.error("model_id", format!("expected either \"model_id\" or \"targets\", found {found}"), errors);
            Vec::new()
        }
    }
}

fn read_split(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Vec<WantedModel> {
    let before = errors.len();
    let items = reader.array("targets", MAX_ALIAS_TARGETS, errors);
    if items.is_empty() && errors.len() == before {
        reader.error("targets", "expected at least one model, found none", errors);
    }
    let mut targets = Vec::new();
    for (pointer, item) in items {
        let mut reader = ObjectReader::new(item, pointer, errors);
        let weight = reader.optional_integer("weight", 1, MAX_WEIGHT, errors);
        if item.is_object() && reader.present("weight").is_none() {
            reader.error("weight", format!("expected a whole number from 1 to {MAX_WEIGHT}, found nothing"), errors);
        }
        let weight = weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1);
        targets.extend(read_model(&mut reader, weight, errors));
        reader.finish(errors);
    }
    targets
}

fn read_model(reader: &mut ObjectReader<'_>, weight: u32, errors: &mut Vec<FieldError>) -> Option<WantedModel> {
    let before = errors.len();
    let id = reader.text("model_id", MAX_ID_CHARS, errors).and_then(|text| text.parse::<ModelId>().ok());
    if id.is_none() && errors.len() == before {
        reader.error("model_id", "expected the id of a model, a UUID", errors);
    }
    id.map(|id| WantedModel { id, weight, pointer: reader.pointer("model_id") })
}

/// Each model answers once, and a shadow is another one.
fn check_distinct(targets: &[WantedModel], shadow: Option<&WantedModel>, errors: &mut Vec<FieldError>) {
    for (place, target) in targets.iter().enumerate() {
        if targets.iter().take(place).any(|other| other.id == target.id) {
            let detail = "this model is among the targets already".to_owned();
            errors.push(FieldError { pointer: target.pointer.clone(), detail });
        }
    }
    if let Some(shadow) = shadow.filter(|shadow| targets.iter().any(|target| target.id == shadow.id)) {
        let detail = "a shadow is none of the models that answer".to_owned();
        errors.push(FieldError { pointer: shadow.pointer.clone(), detail });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ONE: &str = "01890a5d-ac96-7c3e-9c2d-1f0e8f6a7b01";
    const TWO: &str = "01890a5d-ac96-7c3e-9c2d-1f0e8f6a7b02";

    fn mistakes(body: &Value) -> Vec<String> {
        Wanted::read(body).unwrap_err().into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn one_model_is_a_split_of_one() {
        let plain = Wanted::read(&json!({"model_id": ONE})).unwrap();
        let split = Wanted::read(&json!({"targets": [{"model_id": ONE, "weight": 1}], "shadow": null})).unwrap();
        assert_eq!((plain.targets[0].id, plain.targets[0].weight), (split.targets[0].id, split.targets[0].weight));
        assert_eq!((plain.shadow, plain.prevalence), (None, None));
        let whole = Wanted::read(&json!({"model_id": ONE, "shadow": {"model_id": TWO}, "prevalence": 0.02})).unwrap();
        assert_eq!((whole.shadow.unwrap().pointer.as_str(), whole.prevalence), ("/shadow/model_id", Some(0.02)));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        assert_eq!(mistakes(&json!({})), ["/model_id"]);
        assert_eq!(mistakes(&json!({"model_id": ONE, "targets": []})), ["/model_id"]);
        assert_eq!(mistakes(&json!({"targets": []})), ["/targets"]);
        assert_eq!(mistakes(&json!({"model_id": ONE, "targets": null})), ["/model_id"]);
        assert_eq!(mistakes(&json!({"targets": null})), ["/targets"]);
        assert_eq!(mistakes(&json!({"model_id": null})), ["/model_id"]);
        assert_eq!(mistakes(&json!([])), ["", "/model_id"]);
        assert_eq!(mistakes(&json!({"model_id": "champion"})), ["/model_id"]);
        assert_eq!(
            mistakes(&json!({"model_id": 7, "prevalence": 1, "weight": 2})),
            ["/model_id", "/prevalence", "/weight"]
        );
        let split = json!({"targets": [
            {"model_id": ONE}, {"model_id": ONE, "weight": 0}, {"model_id": TWO, "weight": 1.5, "share": 1}, 3,
        ], "shadow": {"model_id": TWO, "weight": 1}});
        assert_eq!(
            mistakes(&split),
            [
                "/targets/0/weight",
                "/targets/1/weight",
                "/targets/2/weight",
                "/targets/2/share",
                "/targets/3",
                "/targets/3/model_id",
                "/shadow/weight",
                "/targets/1/model_id",
                "/shadow/model_id",
            ]
        );
        let many: Vec<Value> = (0..17).map(|_| json!({"model_id": ONE, "weight": 1})).collect();
        assert_eq!(mistakes(&json!({"targets": many})), ["/targets"]);
    }
}
