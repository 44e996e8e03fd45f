//! Scopes that are asked for, and those that are granted (RFC 6749 §3.3).

/// Most scopes of a request: as many as a user or a client can have.
const MOST: usize = 100;

/// The scopes of a request, each once; `None` if it asks for none. An error is a text that is no list of scopes.
pub(super) fn parse(text: Option<&str>) -> Result<Option<Vec<Box<str>>>, Malformed> {
    let Some(text) = text else {
        return Ok(None);
    };
    let mut scopes: Vec<Box<str>> = Vec::new();
    for scope in text.split(' ') {
        let fits = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if scope.is_empty() || !scope.bytes().all(fits) {
            return Err(Malformed);
        }
        if !scopes.iter().any(|known| **known == *scope) {
            if scopes.len() == MOST {
                return Err(Malformed);
            }
            scopes.push(scope.into());
        }
    }
    Ok(Some(scopes))
}

/// No list of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What is granted of what is asked for: what each of the lists has, all that they have in common if nothing is asked for.
/// `None` if nothing remains of what was asked for.
pub(super) fn grant(asked: Option<&[Box<str>]>, lists: &[&[Box<str>]]) -> Option<Vec<Box<str>>> {
    let [first, rest @ ..] = lists else {
        return asked.is_none().then(Vec::new);
    };
    let wanted = asked.unwrap_or(first);
    let granted: Vec<Box<str>> = wanted
        .iter()
        .filter(|scope| first.contains(scope) && rest.iter().all(|list| list.contains(scope)))
        .cloned()
        .collect();
    (asked.is_none() || !granted.is_empty()).then_some(granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Box<str>> {
        text.split_whitespace().map(Into::into).collect()
    }

    #[test]
    fn scopes_are_separated_by_one_blank() {
        for (text, expected) in [
            (None, Ok(None)),
            (Some("a"), Ok(Some(list("a")))),
            (Some("a b:c a"), Ok(Some(list("a b:c")))),
            (Some("a  b"), Err(Malformed)),
            (Some(" a"), Err(Malformed)),
            (Some("a "), Err(Malformed)),
            (Some("a,b \"c"), Err(Malformed)),
            (Some("a\\b"), Err(Malformed)),
            (Some("ä"), Err(Malformed)),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        let many: Vec<String> = (0..=MOST).map(|n| n.to_string()).collect();
        assert!(parse(Some(&many[..MOST].join(" "))).is_ok());
        assert_eq!(parse(Some(&many.join(" "))), Err(Malformed));
    }

    #[test]
    fn nobody_gets_more_than_each_list_has() {
        let (user, client) = (list("read write admin"), list("write read other"));
        for (asked, granted) in [
            (None, Some("read write")),
            (Some("write"), Some("write")),
            (Some("write read"), Some("write read")),
            (Some("admin write"), Some("write")),
            (Some("admin"), None),
            (Some("unknown"), None),
        ] {
            let asked = asked.map(list);
            let found = grant(asked.as_deref(), &[&user, &client]);
            assert_eq!(found, granted.map(list), "{asked:?}");
        }
        assert_eq!(grant(None, &[&[]]), Some(Vec::new()));
        assert_eq!(grant(Some(&list("a")), &[&[]]), None);
    }
}
