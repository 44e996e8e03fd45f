//! `keys rotate`: the next signing key of the local issuer.

use std::fmt::Write as _;

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::{Exit, Failure};
use crate::cli::operator::Operator;
use crate::cli::output::{printable, write_err, write_out};
use crate::clock::UnixTime;
use crate::clock::distance;
use crate::config::{ConfigErrors, LOCAL_ISSUER};
use crate::issuer::{Haste, RotatedKey, RotatedKeys, Sealer, rotate_by_hand};

/// Make the next signing key of the local issuer
///
/// It is published at once and signs in an hour, when whoever verifies has it. Keys rotate by themselves, too. The gateways of
/// the store see it within 30 seconds; none has to be asked.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct Rotate {
    #[command(flatten)]
    config: ConfigFile,
    /// It signs in a minute, when each gateway of the store has seen it
    #[arg(long)]
    now: bool,
    /// The key that signs now is lost: the next one signs in a minute, and the lost one leaves the JWK Set then, so that all its
    /// tokens are refused
    #[arg(long)]
    lost: bool,
}

impl Rotate {
    /// Makes the key.
    pub(super) fn execute(&self) -> Result<Exit, Failure> {
        let config = self.config.load()?;
        let local = config.local_issuer.as_ref().ok_or(Failure::NoLocalIssuer)?;
        let sealer = Sealer::of(local, &config)
            .map_err(|error| Failure::Config(ConfigErrors(vec![error])))?;
        if let Some(file) = sealer.made() {
            write_err(format_args!(
                "warning: an encryption key for the store was made: keep a copy of {}, apart from those of the store",
                file.display()
            ));
        }
        let rotated = Operator::with_store(&self.config, |operator| {
            operator.ask(async |store, actor| {
                rotate_by_hand(store, sealer, local.signing, self.haste(), actor).await
            })
        })?;
        write_out(render(&rotated, self.haste()))?;
        Ok(Exit::OK)
    }

    fn haste(&self) -> Haste {
        match (self.lost, self.now) {
            (true, _) => Haste::Lost,
            (false, true) => Haste::Soon,
            (false, false) => Haste::InTime,
        }
    }
}

fn render(rotated: &RotatedKeys, haste: Haste) -> String {
    let now = time(rotated.now);
    let next = &rotated.next;
    let (use_from, key) = (time(next.use_from), shown(next));
    let done = if rotated.made {
        "made"
    } else {
        "there already"
    };
    let when = if use_from <= now {
        "it signs".to_owned()
    } else {
        let distance = distance(use_from, now);
        format!("it is published, and signs {distance}, at {use_from}")
    };
    let mut text = format!("key {key} is {done}: {when}\n");
    let Some(signing) = &rotated.signing else {
        return text;
    };
    let (kid, gone) = (printable(&signing.kid), time(signing.gone_at));
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "key {} signs until then, and {}",
        shown(signing),
        if haste == Haste::Lost {
            "leaves the JWK Set then; its tokens are refused from then on".to_owned()
        } else {
            format!("stays in the JWK Set for its tokens until {gone}")
        }
    );
    let advice = match haste {
        Haste::InTime => return text,
        Haste::Soon => {
            format!(
                "If {kid} is lost, `keys rotate --lost` lets it leave the set; refuse whatever it signs meanwhile:"
            )
        }
        Haste::Lost => "To refuse whatever it signs meanwhile, too:".to_owned(),
    };
    let _ = writeln!(
        text,
        "By then each gateway of this store has looked at the keys, which it does every 30 seconds.\n{advice}\n  \
         portcullis revoke --issuer {LOCAL_ISSUER} --kid {kid}"
    );
    text
}

fn shown(key: &RotatedKey) -> String {
    format!("{} ({})", printable(&key.kid), printable(&key.algorithm))
}

/// In whole seconds.
fn time(time: jiff::Timestamp) -> UnixTime {
    UnixTime::from_seconds(time.as_second())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn key(kid: &str, use_from: i64) -> RotatedKey {
        RotatedKey {
            kid: kid.into(),
            algorithm: "EdDSA".into(),
            use_from: at(use_from),
            gone_at: at(90_000),
        }
    }

    fn rotated(made: bool, use_from: i64) -> RotatedKeys {
        RotatedKeys {
            signing: Some(key("old", -9000)),
            next: key("new", use_from),
            made,
            now: at(0),
        }
    }

    #[test]
    fn it_says_what_signs_when() {
        assert_eq!(
            render(&rotated(true, 3600), Haste::InTime),
            "key new (EdDSA) is made: it is published, and signs in 1 hour, at 2026-09-21T15:13:20Z\n\
             key old (EdDSA) signs until then, and stays in the JWK Set for its tokens until 2026-09-22T15:13:20Z\n"
        );
        let waits = render(&rotated(false, 1800), Haste::InTime);
        assert!(waits.starts_with(
            "key new (EdDSA) is there already: it is published, and signs in 30 minutes"
        ));
        let first = RotatedKeys {
            signing: None,
            ..rotated(true, 0)
        };
        assert_eq!(
            render(&first, Haste::Soon),
            "key new (EdDSA) is made: it signs\n"
        );
    }

    #[test]
    fn who_hurries_is_told_how_to_revoke_the_last_one() {
        for (haste, leaves) in [(Haste::Soon, false), (Haste::Lost, true)] {
            let text = render(&rotated(true, 60), haste);
            assert!(
                text.contains("signs in 1 minute, at 2026-09-21T14:14:20Z"),
                "{text}"
            );
            assert!(text.contains("every 30 seconds"), "{text}");
            let revoke = "portcullis revoke --issuer local --kid old\n";
            assert!(text.ends_with(revoke), "{text}");
            assert_eq!(text.contains("leaves the JWK Set then"), leaves, "{text}");
            assert_eq!(text.contains("--lost"), !leaves, "{text}");
        }
    }
}
