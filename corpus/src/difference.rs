//! Where two JSON values begin to differ. Knows nothing of what they mean.

use serde_json::Value;

/// Longer values are cut when they are shown.
const SHOWN: usize = 600;

/// The first place that differs, as a path, and what each side has there.
pub(crate) fn first(theirs: &Value, ours: &Value) -> Option<(String, String)> {
    (theirs != ours).then(|| inside(String::new(), theirs, ours))
}

fn inside(at: String, theirs: &Value, ours: &Value) -> (String, String) {
    match (theirs, ours) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let both = a.iter().zip(b).enumerate().find(|(_, (a, b))| a != b);
            if let Some((index, (a, b))) = both {
                return inside(format!("{at}[{index}]"), a, b);
            }
        }
        (Value::Object(a), Value::Object(b)) => {
            let differs = |key: &&String| a.get(*key) != b.get(*key);
            if let Some(key) = a.keys().chain(b.keys()).find(differs) {
                let get = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                return match (get(a), get(b)) {
                    (Some(a), Some(b)) => inside(format!("{at}.{key}"), &a, &b),
                    (Some(a), None) => (format!("{at}.{key}"), format!("BuildKit has {}, ours nothing", shown(&a))),
                    (None, b) => {
                        (format!("{at}.{key}"), format!("BuildKit has nothing, ours {}", shown(&b.unwrap_or_default())))
                    }
                };
            }
        }
        _ => {}
    }
    (at, told(theirs, ours))
}

/// What both sides have, in words.
pub(crate) fn told(theirs: &Value, ours: &Value) -> String {
    format!("BuildKit has {}, ours {}", shown(theirs), shown(ours))
}

fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_place_is_told() {
        let told = |a: Value, b: Value| first(&a, &b).map(|(at, what)| format!("{at} {what}"));
        assert_eq!(told(json!([1, {"a": 2}]), json!([1, {"a": 2}])), None);
        assert_eq!(told(json!([1, {"a": 2}]), json!([1, {"a": 3}])).as_deref(), Some("[1].a BuildKit has 2, ours 3"));
        assert_eq!(told(json!({"a": 1}), json!({})).as_deref(), Some(".a BuildKit has 1, ours nothing"));
        assert_eq!(told(json!({}), json!({"b": null})).as_deref(), Some(".b BuildKit has nothing, ours null"));
        assert_eq!(told(json!([1]), json!([])).as_deref(), Some(" BuildKit has [1], ours []"));
    }
}
