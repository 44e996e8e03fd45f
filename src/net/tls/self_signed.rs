//! A certificate for trying out, signed by itself.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};

use super::{CertificateError, error, load_pair};
use crate::clock::UnixTime;

/// Makes a self-signed certificate for `names` in `directory` (key with mode 0600), or returns the one that is there
/// if it is for the same names and valid for another week. Returns (certificate file, key file).
///
/// # Errors
/// [`CertificateError`].
pub fn make_self_signed(
    names: &[String],
    directory: &Path,
    now: UnixTime,
) -> Result<(PathBuf, PathBuf), CertificateError> {
    let certificate_file = directory.join("self-signed.pem");
    let key_file = directory.join("self-signed.key");
    if fits(&certificate_file, &key_file, names, now) {
        return Ok((certificate_file, key_file));
    }
    let problem = |problem: rcgen::Error| error(&certificate_file, &problem);
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(problem)?;
    let certificate = parameters(names, now)
        .map_err(problem)?
        .self_signed(&key)
        .map_err(problem)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|problem| error(directory, &problem))?;
    // The key first: a certificate without its key would be taken for a pair that does not match, and made anew.
    write_whole(&key_file, &key.serialize_pem(), 0o600)?;
    write_whole(&certificate_file, &certificate.pem(), 0o644)?;
    Ok((certificate_file, key_file))
}

/// Whether the pair that is there serves.
fn fits(certificate_file: &Path, key_file: &Path, names: &[String], now: UnixTime) -> bool {
    let Ok((_, info)) = load_pair(certificate_file, key_file) else {
        return false;
    };
    let wanted: BTreeSet<_> = names.iter().map(|name| canonical(name)).collect();
    let there: BTreeSet<_> = info.names.iter().map(|name| canonical(name)).collect();
    wanted == there && now.plus(WEEK) < info.expires
}

/// Names compare without case, addresses by value.
fn canonical(name: &str) -> String {
    name.parse::<IpAddr>()
        .map_or_else(|_| name.to_ascii_lowercase(), |ip| ip.to_string())
}

/// From yesterday, so that a clock that is a little behind accepts it, for a year.
fn parameters(names: &[String], now: UnixTime) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(names)?;
    let (year, month, date) = day(now.seconds().saturating_sub(DAY_SECONDS));
    parameters.not_before = rcgen::date_time_ymd(year, month, date);
    let (year, month, date) = day(now.seconds().saturating_add(366 * DAY_SECONDS));
    parameters.not_after = rcgen::date_time_ymd(year, month, date);
    parameters.distinguished_name = DistinguishedName::new();
    let name = names.first().map_or("localhost", String::as_str);
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(parameters)
}

/// The day of a moment (year, month, day); of the epoch if the calendar does not reach it.
fn day(seconds: i64) -> (i32, u8, u8) {
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = jiff::tz::TimeZone::UTC.to_datetime(moment).date();
    let part = |value: i8| u8::try_from(value).unwrap_or(1);
    (i32::from(date.year()), part(date.month()), part(date.day()))
}

/// Writes beside the file and renames, so that nobody reads half of it.
fn write_whole(file: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let write = || {
        let mut open = std::fs::OpenOptions::new();
        let mut new = open
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&beside)?;
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        std::fs::rename(&beside, file)
    };
    write().map_err(|problem| error(file, &problem))
}

const WEEK: Duration = Duration::from_hours(7 * 24);
const DAY_SECONDS: i64 = 24 * 60 * 60;
