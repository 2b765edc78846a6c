//! From a filled-in configuration back to a request that says no more than it must.
//!
//! A configuration has every default, also those that follow from other members: a logistic model has no optimizer. A
//! patch that changes such a member would be refused because of all that was filled in around it. So what a default
//! gives again is left out before the patch, and only what somebody asked for stays.

use serde_json::{Map, Value};

use crate::ml::json_patch::KINDS;

/// The request for `config` on its dataset, without the members that `fill` gives back by itself. `fill` turns a request
/// into its filled-in configuration, if it has no mistakes.
pub(super) fn sparse(config: &Value, fill: &dyn Fn(&Value) -> Option<Value>) -> Value {
    let Some(wanted) = fill(config) else { return config.clone() };
    let mut request = config.clone();
    let mut attempts = Attempts { wanted: &wanted, fill };
    attempts.thin_out(&mut request, &mut Vec::new());
    request
}

struct Attempts<'a> {
    wanted: &'a Value,
    fill: &'a dyn Fn(&Value) -> Option<Value>,
}

impl Attempts<'_> {
    /// Leaves out what can be left out of the object at `path`, or within its members.
    fn thin_out(&mut self, request: &mut Value, path: &mut Vec<String>) {
        let names: Vec<String> =
            members(request, path).map(|members| members.keys().cloned().collect()).unwrap_or_default();
        for name in names {
            // What an object is has to stay, or a patch that makes it something else would not be known as one.
            if KINDS.contains(&name.as_str()) {
                continue;
            }
            if self.can_go(request, path, &name) {
                continue;
            }
            path.push(name);
            self.thin_out(request, path);
            path.pop();
        }
    }

    fn can_go(&self, request: &mut Value, path: &[String], name: &str) -> bool {
        let mut without = request.clone();
        if members(&mut without, path).and_then(|members| members.shift_remove(name)).is_none() {
            return false;
        }
        let same = (self.fill)(&without).as_ref() == Some(self.wanted);
        if same {
            *request = without;
        }
        same
    }
}

fn members<'v>(request: &'v mut Value, path: &[String]) -> Option<&'v mut Map<String, Value>> {
    path.iter().try_fold(request, |value, name| value.get_mut(name))?.as_object_mut()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_default_gives_again_is_left_out() {
        let fill = |request: &Value| {
            let size = request["model"]["size"].as_u64().unwrap_or(8);
            let seed = request["seed"].as_u64()?;
            Some(json!({"seed": seed, "model": {"size": size, "twice": size * 2}}))
        };
        let config = json!({"seed": 7, "model": {"size": 9, "twice": 18}});
        assert_eq!(sparse(&config, &fill), json!({"seed": 7, "model": {"size": 9}}));
        let config = json!({"seed": 7, "model": {"size": 8, "twice": 16}});
        assert_eq!(sparse(&config, &fill), json!({"seed": 7}));
    }
}
