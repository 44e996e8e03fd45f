//! `test`: the suites that ship, what a changed rule does to them, and how results and mistakes are told.

use serde_json::Value;

use super::process::{Sandbox, repository};

/// A copy of the fixture, whose configuration can be changed.
fn fixture(change: impl Fn(&str) -> String) -> Sandbox {
    let sandbox = Sandbox::new();
    let directory = repository().join("tests/fixtures");
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).expect("a fixture");
    sandbox.write("gateway.toml", &change(&read("gateway.toml")));
    sandbox.write("policies.toml", &read("policies.toml"));
    sandbox
}

fn read(sandbox: &Sandbox, file: &str) -> String {
    std::fs::read_to_string(sandbox.path(file)).expect("a file")
}

fn suite(file: &str) -> String {
    let file = repository().join(file);
    file.to_str().expect("UTF-8").to_owned()
}

#[test]
fn policies_that_ship_hold() {
    for file in ["tests/fixtures/policies.toml", "deploy/policies.toml"] {
        let said = Sandbox::new().ok(&["test", &suite(file)]);
        assert!(said.contains("test result: ok. "), "{said}");
        assert!(!said.contains("ok. 0 passed"), "{said}");
    }
}

/// Changes of the fixture's configuration, one rule at a time: each has to fail a case.
const CHANGES: &[(&str, &str)] = &[
    ("trusted_proxies = [\"10.0.0.0/8\"]", "trusted_proxies = []"),
    (
        "audiences = [\"orders-api\"]\nalgorithms = [\"EdDSA\", \"ES256\"]",
        "audiences = [\"partner-api\"]\nalgorithms = [\"EdDSA\", \"ES256\"]",
    ),
    (
        "audiences = [\"orders-api\"]\nalgorithms = [\"EdDSA\", \"ES256\"]",
        "audiences = [\"orders-api\", \"partner-api\"]\nalgorithms = [\"EdDSA\", \"ES256\"]",
    ),
    (
        "algorithms = [\"EdDSA\", \"ES256\"]",
        "algorithms = [\"EdDSA\"]",
    ),
    (
        "algorithms = [\"EdDSA\", \"ES256\"]",
        "algorithms = [\"EdDSA\", \"ES256\", \"RS256\"]",
    ),
    ("require = [\"sub\"]\n", ""),
    (
        "issuer = \"https://login.example.com/\"",
        "issuer = \"https://login.example.com\"",
    ),
    (
        "audiences = [\"orders-api\", \"partner-api\"]",
        "audiences = [\"orders-api\"]",
    ),
    (
        "algorithms = [\"EdDSA\"]\nkeys = { jwks_file = \"keys.json\" }\nmax_lifetime",
        "algorithms = [\"EdDSA\", \"ES256\"]\nkeys = { jwks_file = \"keys.json\" }\nmax_lifetime",
    ),
    ("max_lifetime = \"1h\"\n", ""),
    ("max_lifetime = \"1h\"", "max_lifetime = \"59m\""),
    ("leeway = \"10s\"\n", ""),
    (
        "\"X-Auth-Subject\" = \"sub\"",
        "\"X-Auth-Subject\" = \"jti\"",
    ),
    ("\"X-Auth-Issuer\" = \"iss\"\n", ""),
    ("array = \"csv\"", "array = \"json\""),
    ("claim = \"realm_access.roles\"", "claim = \"roles\""),
    (
        "hosts = [\"api.example.com\"]\npath = \"/orders\"",
        "hosts = [\"www.example.net\"]\npath = \"/orders\"",
    ),
    ("path = \"/orders\"", "path = \"/order\""),
    ("methods = [\"GET\", \"POST\"]\n", ""),
    ("methods = [\"GET\", \"POST\"]", "methods = [\"GET\"]"),
    ("methods = [\"GET\", \"POST\"]", "methods = [\"POST\"]"),
    (
        "issuers = [\"corp\", \"partner\", \"away\"]",
        "issuers = [\"corp\", \"away\"]",
    ),
    (
        "issuers = [\"corp\", \"partner\", \"away\"]",
        "issuers = [\"corp\", \"partner\"]",
    ),
    (
        "issuers = [\"corp\", \"partner\", \"away\"]",
        "issuers = [\"partner\", \"away\"]",
    ),
    ("scopes = [\"orders:read\"]\n", ""),
    (
        "scopes = [\"orders:read\"]",
        "scopes = [\"orders:read\", \"orders:write\"]",
    ),
    (
        "path = \"/orders/admin\"",
        "path = \"/orders/administration\"",
    ),
    (
        "issuers = [\"corp\"]\nany_scope",
        "issuers = [\"corp\", \"partner\"]\nany_scope",
    ),
    ("any_scope = [\"orders:admin\", \"orders:write\"]\n", ""),
    (
        "any_scope = [\"orders:admin\", \"orders:write\"]",
        "any_scope = [\"orders:admin\"]",
    ),
    (
        "any_scope = [\"orders:admin\", \"orders:write\"]",
        "any_scope = [\"orders:write\"]",
    ),
    ("\"realm_access.roles\" = { contains = \"ops\" }, ", ""),
    ("{ contains = \"ops\" }", "{ exists = true }"),
    (", tenant = { equals = \"acme\" }", ""),
    (
        "{ equals = \"acme\" }",
        "{ one_of = [\"acme\", \"globex\"] }",
    ),
    ("claims = {", "claims = { sub = { equals = \"bob\" },"),
    (
        "hosts = [\"*.example.com\"]",
        "hosts = [\"www.example.org\"]",
    ),
    ("hosts = [\"*.example.com\"]\n", ""),
    ("path = \"/profile\"", "path = \"/profiles\""),
    ("auth = \"optional\"", "auth = \"required\""),
    (
        "issuers = [\"corp\"]\nauth = \"optional\"",
        "auth = \"none\"",
    ),
    (
        "issuers = [\"corp\"]\nauth = \"optional\"",
        "issuers = [\"corp\", \"partner\"]\nauth = \"optional\"",
    ),
    (
        "hosts = [\"api.example.com\"]\npath = \"/\"",
        "path = \"/\"",
    ),
    ("path = \"/\"", "path = \"/site\""),
    ("auth = \"none\"", "issuers = [\"corp\"]"),
    ("audiences = [\"reports-api\"]\n", ""),
    (
        "audiences = [\"reports-api\"]",
        "audiences = [\"audit-api\"]",
    ),
    (
        "token_from = [\"authorization\", { query = \"access_token\" }]\n",
        "",
    ),
    (
        "token_from = [\"authorization\", { query = \"access_token\" }]",
        "token_from = [{ query = \"access_token\" }]",
    ),
    (r"'[a-z]+@acme\.example'", r"'[a-z]+@acme\.example.*'"),
    ("one_of = [1, 2]", "one_of = [1, 2, 3]"),
    ("one_of = [1, 2]", "one_of = [2]"),
    ("suspended = { exists = false }\n", ""),
    ("prefix = \"ops-\"", "prefix = \"s\""),
    (
        "contains_all = [\"finance\", \"audit\"]",
        "contains_all = [\"finance\"]",
    ),
    (
        ", { groups = { contains_all = [\"finance\", \"audit\"] } }",
        "",
    ),
    ("not = { contractor = { equals = true } }\n", ""),
    (
        "[[routes.overrides]]\nmethods = [\"POST\"]\nscopes = [\"reports:write\"]\n",
        "",
    ),
    (
        "methods = [\"POST\"]\nscopes",
        "methods = [\"PUT\"]\nscopes",
    ),
    ("client = [\"192.168.0.0/16\"], ", ""),
    (", not_client = [\"192.168.9.0/24\"]", ""),
];

#[test]
fn policies_notice_every_rule_that_changes() {
    for &(from, to) in CHANGES {
        let sandbox = fixture(|text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let ended = sandbox.run(&["test", "policies.toml"]);
        assert_eq!(ended.code, Some(3), "{from} → {to}: {}", ended.err);
    }
}

#[test]
fn a_failure_is_told_with_the_way_to_it() {
    let sandbox =
        fixture(|text| text.replace("scopes = [\"orders:read\"]", "scopes = [\"orders:see\"]"));
    let ended = sandbox.run(&["test", "policies.toml", "a reader"]);
    assert_eq!(ended.code, Some(3));
    for says in [
        "running 1 test\ntest a reader reads ... FAILED\n",
        "---- a reader reads ----\nstatus: expected \"200\", is \"403 insufficient_scope\"\n",
        "REFUSED  access",
        "test result: FAILED. 0 passed; 1 failed; 56 filtered out\n",
    ] {
        assert!(ended.out.contains(says), "{says}\n{}", ended.out);
    }
    let json = sandbox.run(&["test", "policies.toml", "--format", "json", "a reader"]);
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((&json["passed"], &json["failed"]), (&0.into(), &1.into()));
    assert_eq!(
        json["cases"][0]["explanation"]["verdict"]["reason"],
        "insufficient_scope"
    );
    let junit = sandbox.run(&["test", "policies.toml", "--format", "junit", "read"]);
    assert!(
        junit
            .out
            .contains("<failure message=\"status: expected &quot;200&quot;"),
        "{}",
        junit.out
    );
    let list = sandbox.ok(&["test", "policies.toml", "--list", "partner"]);
    assert_eq!(list.lines().count(), 6, "{list}");
}

#[test]
fn what_is_no_suite_is_78_and_says_where() {
    let head = "config = \"gateway.toml\"\nnow = \"2026-01-31T12:00:00Z\"\n";
    let case = "[[cases]]\nname = \"a\"\nrequest = \"GET https://api.example.com/orders\"\nexpect = { status = 401 }\n";
    for (text, says) in [
        (format!("{head}cases = 5\n"), "line 3, column"),
        (
            format!("{head}{}", case.replace("status", "stauts")),
            "unknown field `stauts`",
        ),
        (
            format!("{head}{}", case.replace("GET ", "")),
            "a method and a URL",
        ),
        (
            format!("{head}{}", case.replace("https://", "")),
            "case \"a\"",
        ),
        (
            format!("{head}{case}token = {{ issuer = \"nobody\" }}\n"),
            "there is no issuer \"nobody\"",
        ),
        (
            format!("{head}{case}token = {{ algorithm = \"none\" }}\n"),
            "there is no algorithm \"none\"",
        ),
        (
            format!("{head}{case}token = {{ expires_in = \"soon\" }}\n"),
            "case \"a\"",
        ),
        (
            format!("{head}{case}token = {{}}\nrevoked = {{ name = \"x\" }}\n"),
            "by \"name\"",
        ),
        (
            format!("{head}{case}token = {{}}\ntoken_file = \"t\"\n"),
            "a `token` and a `token_file`",
        ),
        (
            format!("{head}{case}revoked = {{ sub = \"x\" }}\n"),
            "needs a `token`",
        ),
        (head.replace("2026-01-31T12", "noon") + case, "`now`"),
        (head.replace("gateway", "gone") + case, "gone.toml"),
    ] {
        let sandbox = fixture(str::to_owned);
        sandbox.write("policies.toml", &text);
        let ended = sandbox.run(&["test", "policies.toml"]);
        assert_eq!(ended.code, Some(78), "{text}\n{}", ended.err);
        assert!(ended.err.contains(says), "{says}: {}", ended.err);
    }
    assert_eq!(Sandbox::new().run(&["test", "gone.toml"]).code, Some(1));
    assert_eq!(Sandbox::new().run(&["test"]).code, Some(2));
}

#[test]
fn a_token_of_a_file_is_verified_by_the_key_files() {
    let sandbox = fixture(str::to_owned);
    sandbox.ok(&["keys", "generate", "--kid", "own"]);
    sandbox.write("keys.json", &read(&sandbox, "own.jwks.json"));
    let minted = sandbox.ok(&[
        "token",
        "mint",
        "-c",
        "gateway.toml",
        "--issuer",
        "corp",
        "--key",
        "own.private.pem",
        "--kid",
        "own",
        "--sub",
        "alice",
        "--scope",
        "orders:read",
    ]);
    sandbox.write("token.jwt", &minted);
    sandbox.write("forged.jwt", &minted.replace("eyJ", "eyK"));
    let now = jiff::Timestamp::now();
    let suite = |file: &str, status: u16| {
        format!(
            "config = \"gateway.toml\"\nnow = \"{now}\"\n[[cases]]\nname = \"a\"\n\
             request = \"GET https://api.example.com/orders\"\ntoken_file = \"{file}\"\n\
             expect = {{ status = {status} }}\n"
        )
    };
    for (file, status) in [("token.jwt", 200), ("forged.jwt", 401)] {
        sandbox.write("suite.toml", &suite(file, status));
        sandbox.ok(&["test", "suite.toml"]);
    }
    let ended = {
        sandbox.write("suite.toml", &suite("gone.jwt", 200));
        sandbox.run(&["test", "suite.toml"])
    };
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("gone.jwt"), "{}", ended.err);
}

#[test]
fn policies_are_tried_without_keys_and_certificates_and_leave_nothing() {
    let sandbox = fixture(|text| {
        text.replace(
            "listen = [\"127.0.0.1:8443\"]",
            "listen = [\"127.0.0.1:8443\"]\ntls = { cert = \"gone.pem\", key = \"gone.key\" }",
        )
        .replace(
            "{ jwks_url = \"https://away.example.org/jwks.json\" }",
            "{ generate = \"EdDSA\" }",
        )
    });
    sandbox.ok(&["test", "policies.toml"]);
    assert!(!sandbox.path("state").exists(), "no key was made");
}
