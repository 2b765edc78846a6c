//! JSON merge patches.

use serde_json::{Map, Value};

/// Members that say what an object is.
pub const KINDS: [&str; 4] = ["type", "method", "strategy", "rule"];

/// Applies a JSON merge patch (RFC 7396): members replace members, `null` removes them, anything but an object replaces
/// whatever is there. An object whose `type`, `method`, `strategy` or `rule` the patch changes is replaced whole: the
/// members of one type mean nothing to another.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() || changes_kind(target, changes) {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.shift_remove(name);
        } else {
            merge_patch(members.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

fn changes_kind(target: &Value, changes: &Map<String, Value>) -> bool {
    KINDS.into_iter().any(|name| {
        let (Some(before), Some(after)) = (target.get(name), changes.get(name)) else { return false };
        before != after
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7396, appendix A.
    #[test]
    fn merging_follows_the_standard() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target.clone();
            merge_patch(&mut merged, &patch);
            assert_eq!(merged, expected, "{target} with {patch}");
        }
    }

    #[test]
    fn another_type_begins_anew() {
        let mut request = json!({"model": {"type": "mlp", "dropout": 0.1}, "seed": 1});
        merge_patch(&mut request, &json!({"model": {"type": "logistic"}}));
        assert_eq!(request, json!({"model": {"type": "logistic"}, "seed": 1}));
    }
}
