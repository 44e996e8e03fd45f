//! `did you mean`: the nearest of the known names.

/// The candidate nearest to `wanted`, if it is near enough to be a slip.
pub(super) fn nearest<'c>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // A third of the letters, at least one: `lsten` finds `listen`, `foo` finds nothing.
    let most = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `x`?`` for the nearest, or the list of all when it is short.
pub(crate) fn hint(wanted: &str, candidates: &[&str]) -> Option<String> {
    // More than a dozen names help nobody who has mistyped one.
    const MOST: usize = 12;
    if let Some(found) = nearest(wanted, candidates.iter().copied()) {
        return Some(format!("did you mean `{found}`?"));
    }
    if candidates.is_empty() || candidates.len() > MOST {
        return None;
    }
    Some(format!("known: {}", list(candidates)))
}

/// `` `a`, `b`, `c` ``
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Edit distance without case: insertions, deletions, substitutions and swapped neighbours cost one each.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut cost = (last[j] + usize::from(a[i] != b[j]))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("listen", "listen", 0),
            ("LISTEN", "listen", 0),
            ("lsten", "listen", 1),
            ("lisetn", "listen", 1),
            ("jwks_url", "jwks_file", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_slips_are_suggested() {
        let known = ["listen", "workers", "tls"];
        assert_eq!(nearest("workres", known), Some("workers"));
        assert_eq!(nearest("tsl", known), Some("tls"));
        assert_eq!(nearest("address", known), None);
        assert_eq!(
            hint("address", &known).unwrap(),
            "known: `listen`, `workers`, `tls`"
        );
        assert_eq!(hint("address", &["x"; 13]), None);
        assert_eq!(hint("address", &[]), None);
    }
}
