use crate::issuer::Asked;
use crate::issuer::testing::{ORIGIN, World, get, post};

fn form(path: &str, form: &str) -> Asked {
    let asked = post(path, form).with("accept", "text/html,*/*;q=0.8");
    asked.with("origin", ORIGIN)
}

#[tokio::test]
async fn a_browser_signs_in_looks_and_signs_out() {
    let world = World::new().await;
    let told = world.send(get("/auth/")).await;
    assert_eq!(told.status(), 200);
    assert_eq!(told.field("content-type"), Some("text/html; charset=utf-8"));

    let fields = "username=alice&password=correct+horse&cookies=true";
    let mut sign_in = form("/auth/login", fields);
    sign_in.query = Some("return_to=%2Forders%3Fpage%3D2".into());
    let told = world.send(sign_in).await;
    assert_eq!(
        (told.status(), told.field("location")),
        (303, Some("/orders?page=2"))
    );
    assert!(told.release.is_some() && told.answer.body().is_empty());
    let cookies: Vec<&str> = told
        .cookies()
        .into_iter()
        .filter_map(|line| line.split(';').next())
        .collect();
    let cookies = cookies.join("; ");

    let page = world.send(get("/auth/").with("cookie", &cookies)).await;
    let html = String::from_utf8(page.answer.body().to_vec()).unwrap();
    assert!(html.contains("alice"), "{html}");
    let (_, refresh) = cookies.split_once("; ").unwrap();
    let renew = world.send(get("/auth/").with("cookie", refresh)).await;
    assert_ne!(renew.answer.body(), page.answer.body());

    let told = world
        .send(form("/auth/logout", "").with("cookie", &cookies))
        .await;
    assert_eq!(told.status(), 303);
    assert_eq!(told.cookies().len(), 2);
    assert_eq!(world.live_sessions().await, 0);
    assert_eq!(
        world
            .send(get("/auth/").with("cookie", &cookies))
            .await
            .status(),
        200
    );
}

/// F20: wherever a form says that it wants to go, it stays on this origin.
#[tokio::test]
async fn nobody_is_led_elsewhere() {
    let world = World::new().await;
    for to in [
        "%2F%2Fevil.example",
        "https%3A%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%2F%09%2Fevil.example",
    ] {
        let fields = "username=bob&password=hunter2&cookies=true";
        let mut asked = form("/auth/login", fields);
        asked.query = Some(format!("return_to={to}").into());
        let told = world.send(asked).await;
        assert_eq!(
            (told.status(), told.field("location")),
            (303, Some("/auth/")),
            "{to}"
        );
    }
}

#[tokio::test]
async fn a_form_that_is_refused_says_so_on_the_page() {
    let world = World::new().await;
    let told = world
        .send(form(
            "/auth/login",
            "username=alice&password=x&cookies=true",
        ))
        .await;
    assert_eq!(
        (told.status(), told.field("location")),
        (303, Some("/auth/?notice=refused"))
    );
    assert!(told.release.is_some());
    let mut foreign = form("/auth/login", "username=alice&password=x&cookies=true");
    foreign.headers.insert(
        "origin",
        http::HeaderValue::from_static("https://evil.example"),
    );
    assert_eq!(world.send(foreign).await.status(), 403);
}

#[tokio::test]
async fn without_the_page_there_is_none() {
    let world = World::but("page = true\n", "").await;
    assert_eq!(world.send(get("/auth/")).await.status(), 404);
    let told = world
        .send(form("/auth/login", "username=alice&password=correct+horse"))
        .await;
    assert_eq!(told.status(), 200);
}
