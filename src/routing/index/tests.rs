//! Tables of routes.

use http::{HeaderMap, HeaderValue, Uri, Version, header};

use super::*;

fn exact(name: &str) -> HostPattern {
    HostPattern::Exact(name.into())
}

fn wildcard(name: &str) -> HostPattern {
    HostPattern::Wildcard(name.into())
}

fn key<'k>(hosts: &'k [HostPattern], path: &'k str, methods: &'k [Method]) -> RouteKey<'k> {
    RouteKey {
        hosts,
        path,
        methods,
        preflight: Preflight::Deny,
    }
}

/// What `look` says of a request for `path` on `host`.
fn with_target<T>(host: &str, path: &str, look: impl FnOnce(&Target<'_>) -> T) -> T {
    let uri: Uri = path.parse().unwrap();
    let mut headers = HeaderMap::new();
    let version = if host.is_empty() {
        Version::HTTP_10
    } else {
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        Version::HTTP_11
    };
    let method = if path == "*" {
        Method::OPTIONS
    } else {
        Method::GET
    };
    look(&Target::parse(&method, &uri, &headers, version).unwrap())
}

fn find(index: &RouteIndex, host: &str, path: &str) -> Result<usize, NoRoute> {
    with_target(host, path, |target| index.find(target, &Method::GET))
}

fn on_any_host(paths: &[&str]) -> RouteIndex {
    RouteIndex::new(paths.iter().map(|path| key(&[], path, &[])))
}

#[test]
fn the_best_host_is_taken_without_falling_back() {
    let hosts = [
        vec![],
        vec![exact("api.example.com")],
        vec![wildcard("example.com")],
        vec![wildcard("eu.example.com"), exact("other.test")],
    ];
    let paths = ["/", "/api", "/", "/"];
    let keys = hosts.iter().zip(paths);
    let index = RouteIndex::new(keys.map(|(hosts, path)| key(hosts, path, &[])));
    for (host, path, expected) in [
        ("api.example.com", "/api/x", Ok(1)),
        ("API.example.com:8443", "/api", Ok(1)),
        ("api.example.com.", "/api", Ok(1)),
        // The host fits, its routes do not: no other host's serve it.
        ("api.example.com", "/other", Err(NoRoute::NotFound)),
        ("www.example.com", "/x", Ok(2)),
        ("a.b.example.com", "/x", Ok(2)),
        ("a.eu.example.com", "/x", Ok(3)),
        ("a.b.eu.example.com", "/x", Ok(3)),
        ("eu.example.com", "/x", Ok(2)),
        // A wildcard does not serve its own name.
        ("example.com", "/x", Ok(0)),
        ("badexample.com", "/x", Ok(0)),
        ("other.test", "/x", Ok(3)),
        ("x.other.test", "/x", Ok(0)),
        ("[::1]", "/x", Ok(0)),
        ("", "/x", Ok(0)),
    ] {
        assert_eq!(find(&index, host, path), expected, "{host} {path}");
    }
}

#[test]
fn a_host_without_routes_is_not_found() {
    let hosts = [exact("api.example.com")];
    let index = RouteIndex::new([key(&hosts, "/", &[])]);
    assert_eq!(find(&index, "gw.test", "/"), Err(NoRoute::NotFound));
    assert_eq!(find(&index, "", "/"), Err(NoRoute::NotFound));
    let empty = RouteIndex::default();
    assert_eq!(find(&empty, "gw.test", "/"), Err(NoRoute::NotFound));
}

#[test]
fn the_longest_prefix_at_a_segment_border_is_taken() {
    let index = on_any_host(&["/api", "/api/v1", "/api/v1/a/b", "/café", "/a b"]);
    for (path, expected) in [
        ("/api", Ok(0)),
        ("/api/", Ok(0)),
        ("/api?x=/v1", Ok(0)),
        ("/api/v2", Ok(0)),
        ("/api/v1", Ok(1)),
        ("/api/v1x", Ok(0)),
        ("/api/v1/a", Ok(1)),
        ("/api/v1/a/c", Ok(1)),
        ("/api/v1/a/b/c", Ok(2)),
        ("/%61pi/v1", Ok(1)),
        ("/caf%c3%a9/x", Ok(3)),
        ("/a%20b", Ok(4)),
        ("/apix", Err(NoRoute::NotFound)),
        ("/ap", Err(NoRoute::NotFound)),
        ("/", Err(NoRoute::NotFound)),
        ("*", Err(NoRoute::NotFound)),
    ] {
        assert_eq!(find(&index, "gw.test", path), expected, "{path}");
    }
    let with_root = on_any_host(&["/api", "/"]);
    assert_eq!(find(&with_root, "gw.test", "/apix"), Ok(1));
    assert_eq!(find(&with_root, "gw.test", "/"), Ok(1));
    assert_eq!(find(&with_root, "gw.test", "*"), Err(NoRoute::NotFound));
}

#[test]
fn a_laxest_reading_with_another_route_is_ambiguous() {
    let index = on_any_host(&["/", "/public", "/admin", "/public/secret"]);
    for path in [
        "/ADMIN/x",
        "/Admin",
        "/%2561dmin",
        "/admin;x=1/y",
        "/admin./x",
        "/admin%20/x",
        "//admin/x",
        "/%2fadmin/x",
        "/%5cadmin",
        "/public//secret",
        "/public/Secret/x",
        "/public%2Fsecret",
        "/public/secret;v=1",
        "/public%252fsecret",
    ] {
        assert_eq!(
            find(&index, "gw.test", path),
            Err(NoRoute::Ambiguous),
            "{path}"
        );
    }
    for (path, expected) in [
        ("/public/X/01HZX", 1),
        ("/public/a%2Fb", 1),
        ("/public//a", 1),
        ("/public/a;v=1", 1),
        ("/public/secrets%2F", 1),
        ("/PUBLICX", 0),
        ("/x%2Fadmin", 0),
        ("/.../x", 0),
    ] {
        assert_eq!(find(&index, "gw.test", path), Ok(expected), "{path}");
    }
}

#[test]
fn without_a_strict_route_nothing_is_forwarded() {
    let index = on_any_host(&["/admin"]);
    for path in ["/ADMIN", "/%2fadmin", "//admin", "/x"] {
        assert_eq!(
            find(&index, "gw.test", path),
            Err(NoRoute::NotFound),
            "{path}"
        );
    }
}

#[test]
fn prefixes_that_read_otherwise_themselves() {
    // Alone, each is served; its other spellings are not somebody else's.
    let index = on_any_host(&["/", "/Api/v1", "/files;v=1", "/100%25"]);
    for (path, expected) in [
        ("/Api/v1/x", Ok(1)),
        ("/Api/v1/X;y", Ok(1)),
        ("/api/v1/x", Err(NoRoute::Ambiguous)),
        ("/API/v1/x", Err(NoRoute::Ambiguous)),
        ("/Api/x", Ok(0)),
        ("/files;v=1/x", Ok(2)),
        ("/files/x", Err(NoRoute::Ambiguous)),
        ("/x", Ok(0)),
    ] {
        assert_eq!(find(&index, "gw.test", path), expected, "{path}");
    }
    // The one that is written so wins; of two others none does.
    let index = on_any_host(&["/Api", "/api", "/Web", "/wEb"]);
    assert_eq!(find(&index, "gw.test", "/api/x"), Ok(1));
    assert_eq!(find(&index, "gw.test", "/Api/x"), Err(NoRoute::Ambiguous));
    assert_eq!(find(&index, "gw.test", "/Web/x"), Err(NoRoute::Ambiguous));
    assert_eq!(find(&index, "gw.test", "/wEb/x"), Err(NoRoute::Ambiguous));
}

#[test]
fn methods_come_last() {
    let get_post = [Method::GET, Method::POST];
    let (put, own) = ([Method::PUT], [Method::from_bytes(b"get").unwrap()]);
    let index = RouteIndex::new([
        key(&[], "/a", &get_post),
        key(&[], "/a", &put),
        key(&[], "/a/any", &[]),
        key(&[], "/", &[]),
        key(&[], "/own", &own),
    ]);
    let find =
        |path, method: &Method| with_target("gw.test", path, |target| index.find(target, method));
    assert_eq!(find("/a/x", &Method::GET), Ok(0));
    assert_eq!(find("/a/x", &Method::HEAD), Ok(0));
    assert_eq!(find("/a/x", &Method::POST), Ok(0));
    assert_eq!(find("/a/x", &Method::PUT), Ok(1));
    assert_eq!(find("/a/any", &Method::DELETE), Ok(2));
    // `/` takes all methods, but is not asked.
    let allow = vec![Method::GET, Method::HEAD, Method::POST, Method::PUT];
    let refused = Err(NoRoute::MethodNotAllowed(allow));
    assert_eq!(find("/a/x", &Method::DELETE), refused);
    assert_eq!(find("/a/x", &Method::OPTIONS), refused);
    assert_eq!(find("/a/x", &own[0]), refused);
    assert_eq!(find("/own", &own[0]), Ok(4));
    assert!(find("/own", &Method::GET).is_err());
    assert!(find("/own", &Method::HEAD).is_err());
}

#[test]
fn head_may_have_a_route_of_its_own() {
    let (get, head) = ([Method::GET], [Method::HEAD]);
    let index = RouteIndex::new([key(&[], "/", &get), key(&[], "/", &head)]);
    let find = |method| with_target("gw.test", "/", |target| index.find(target, method));
    assert_eq!(find(&Method::GET), Ok(0));
    assert_eq!(find(&Method::HEAD), Ok(1));
}

#[test]
fn a_preflight_takes_the_route_of_the_method_it_asks_for() {
    let methods = [[Method::GET], [Method::POST], [Method::OPTIONS]];
    let forward = |path, methods| RouteKey {
        preflight: Preflight::Forward,
        ..key(&[], path, methods)
    };
    let index = RouteIndex::new([
        forward("/a", &methods[0]),
        key(&[], "/a", &methods[1]),
        forward("/b", &methods[0]),
        key(&[], "/b", &methods[2]),
        key(&[], "/c", &methods[1]),
        forward("/c", &methods[2]),
        forward("/", &[]),
    ]);
    let find = |path, requested: &Method| {
        with_target("gw.test", path, |target| {
            index.find_preflight(target, requested)
        })
    };
    assert_eq!(find("/a/x", &Method::GET), Some(0));
    assert_eq!(find("/a/x", &Method::HEAD), Some(0));
    assert_eq!(find("/a/x", &Method::POST), None);
    assert_eq!(find("/a/x", &Method::PUT), None);
    // A route that names OPTIONS decides.
    assert_eq!(find("/b", &Method::GET), None);
    assert_eq!(find("/c", &Method::POST), Some(5));
    assert_eq!(find("/x", &Method::PATCH), Some(6));
    // What is ambiguous is no preflight either.
    assert_eq!(find("/A/x", &Method::GET), None);
}

#[test]
fn many_routes_and_many_segments() {
    let paths: Vec<String> = (0..10_000).map(|n| format!("/service-{n}/v1")).collect();
    let index = RouteIndex::new(paths.iter().map(|path| key(&[], path, &[])));
    assert_eq!(find(&index, "gw.test", "/service-9999/v1/x"), Ok(9_999));
    assert_eq!(
        find(&index, "gw.test", "/service-0/v2"),
        Err(NoRoute::NotFound)
    );
    let deep = format!("/service-7/v1{}", "/a".repeat(20_000));
    assert_eq!(find(&index, "gw.test", &deep), Ok(7));
}

#[test]
fn letters_of_any_script_that_share_a_case_do_not_pass_a_protected_path_by() {
    let index = on_any_host(&["/", "/admin", "/keys", "/caf\u{e9}"]);
    for path in [
        "/adm%C4%B0n/x",
        "/adm%C4%B1n",
        "/%E2%84%AAeys",
        "/caf%C3%89",
        "/%EF%BC%A1dmin",
        "/admin%20./x",
        "/.../admin",
        "/admin%3f",
        "/admin%2523/x",
    ] {
        assert_eq!(
            find(&index, "gw.test", path),
            Err(NoRoute::Ambiguous),
            "{path}"
        );
    }
    assert_eq!(find(&index, "gw.test", "/caf%C3%A9/%C3%89"), Ok(3));
    assert_eq!(find(&index, "gw.test", "/%C3%89tudes"), Ok(0));
    let turkish = on_any_host(&["/", "/kullan\u{131}c\u{131}"]);
    assert_eq!(find(&turkish, "gw.test", "/kullan%C4%B1c%C4%B1"), Ok(1));
}

#[test]
fn a_method_in_another_case_passes_no_protected_method_by() {
    let (named, all) = ([Method::GET, Method::POST], []);
    let index = RouteIndex::new([
        key(&[], "/", &named),
        key(&[], "/", &all),
        key(&[], "/all", &all),
    ]);
    let find = |path, method: &str| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        with_target("gw.test", path, |target| index.find(target, &method))
    };
    for method in ["post", "Post", "get", "head"] {
        let refused = find("/", method).unwrap_err();
        assert!(matches!(refused, NoRoute::MethodNotAllowed(_)), "{method}");
        assert_eq!(
            find("/all", method),
            Ok(2),
            "one route for all: nothing to pass by"
        );
    }
    for (method, route) in [
        ("POST", 0),
        ("HEAD", 0),
        ("PATCH", 1),
        ("patch", 1),
        ("m-search", 1),
    ] {
        assert_eq!(find("/", method), Ok(route), "{method}");
    }
}
