use super::*;

const E: [u8; 3] = [1, 0, 1];

/// An odd modulus of so many bits.
fn modulus(bits: usize) -> Vec<u8> {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    modulus[0] >>= (8 - bits % 8) % 8;
    modulus
}

fn error(result: Result<PublicKey, KeyError>) -> Option<KeyError> {
    result.err()
}

#[test]
fn rsa_keys_have_2048_to_8192_bits() {
    for (bits, fits) in [
        (0, false),
        (1024, false),
        (2047, false),
        (2048, true),
        (2049, true),
        (8192, true),
        (8193, false),
        (16384, false),
    ] {
        let modulus = if bits == 0 { Vec::new() } else { modulus(bits) };
        let expected = (!fits).then_some(KeyError::RsaSize { bits });
        assert_eq!(error(PublicKey::rsa(&modulus, &E)), expected, "{bits}");
        // A leading zero, as some publishers leave it there, counts for nothing.
        let padded = [&[0, 0][..], &modulus].concat();
        assert_eq!(error(PublicKey::rsa(&padded, &E)), expected, "{bits}");
    }
    let key = PublicKey::rsa(&[&[0][..], &modulus(2048)].concat(), &[0, 1, 0, 1]).unwrap();
    assert_eq!(key.signature_bytes(), 256);
    assert_eq!(
        key.thumbprint(),
        PublicKey::rsa(&modulus(2048), &E).unwrap().thumbprint()
    );
}

#[test]
fn rsa_numbers_are_odd_and_the_exponent_is_neither_small_nor_huge() {
    let mut even = modulus(2048);
    even[255] = 0xfe;
    assert!(matches!(
        PublicKey::rsa(&even, &E),
        Err(KeyError::Invalid(_))
    ));
    for (exponent, fits) in [
        (&[][..], false),
        (&[0], false),
        (&[1], false),
        (&[3], false),
        (&[0xff, 0xff], false),
        (&[1, 0, 0], false),
        (&[1, 0, 1], true),
        (&[0xff, 0xff, 0xff, 0xff], true),
        (&[1, 0, 0, 0, 0, 1], false),
    ] {
        let key = PublicKey::rsa(&modulus(2048), exponent);
        let prepared = key.and_then(|key| key.prepare(Algorithm::Rs256));
        assert_eq!(prepared.is_ok(), fits, "{exponent:?}");
    }
}

#[test]
fn points_lie_on_their_curve() {
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        assert_eq!(Curve::from_name(curve.name()), Some(curve));
        let length = curve.coordinate_bytes();
        let algorithm = match curve {
            Curve::P256 => Algorithm::Es256,
            Curve::P384 => Algorithm::Es384,
            Curve::P521 => Algorithm::Es512,
        };
        let zero = PublicKey::ec(curve, &vec![0; length], &vec![0; length]).unwrap();
        assert_eq!(
            zero.prepare(algorithm).err(),
            Some(KeyError::Invalid("the point is not on the curve"))
        );
        assert!(PublicKey::ec(curve, &vec![1; length - 1], &vec![1; length]).is_err());
        // The right sum of lengths is not enough.
        assert!(PublicKey::ec(curve, &vec![1; length - 1], &vec![1; length + 1]).is_err());
        assert!(PublicKey::ec_point(curve, &vec![2; 1 + length]).is_err());
    }
    assert_eq!(Curve::from_name("p-256"), None);
}

#[test]
fn a_key_serves_its_own_family_only() {
    let key = PublicKey::rsa(&modulus(2048), &E).unwrap();
    for algorithm in Algorithm::ALL {
        let fits = algorithm.family() == KeyFamily::Rsa;
        assert_eq!(key.prepare(algorithm).is_ok(), fits, "{algorithm:?}");
    }
}

#[test]
fn ed25519_keys_are_canonical_and_of_large_order() {
    let mut not_canonical = vec![ED25519_PRIME, [0xff; 32]];
    let mut prime_and_one = ED25519_PRIME;
    prime_and_one[0] += 1;
    not_canonical.push(prime_and_one);
    for point in ED25519_SMALL_ORDER.iter().chain(&not_canonical) {
        for sign in [0, 0x80] {
            let mut point = *point;
            point[31] |= sign;
            assert!(PublicKey::ed25519(&point).is_err(), "{point:?}");
        }
    }
    assert!(PublicKey::ed25519(&[9; 31]).is_err());
    assert!(PublicKey::ed25519(&[9; 33]).is_err());
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    // RFC 8037 §A.3
    let x = base64url::decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let key = PublicKey::ed25519(&x).unwrap();
    assert_eq!(
        base64url::encode(&key.thumbprint()),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    // RFC 7638 §3.1
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let n = base64url::decode(n.as_bytes()).unwrap();
    let key = PublicKey::rsa(&n, &E).unwrap();
    assert_eq!(
        base64url::encode(&key.thumbprint()),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}
