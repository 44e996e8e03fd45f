//! `POST /login`: a name and a password, for tokens or for cookies. First party: other programs use the token endpoint.

use crate::issuer::cookies::Cookies;
use crate::issuer::request::{Parameters, RequestError};
use crate::issuer::respond::{Answer, Refusal};
use crate::issuer::scopes;
use crate::issuer::service::{Call, Ready};
use crate::issuer::sign_in::sign_in;
use crate::passwords::Password;
use crate::store::FIRST_PARTY_CLIENT;

/// What a sign-in says.
struct Login<'c> {
    username: String,
    password: Password,
    scopes: Option<Vec<Box<str>>>,
    /// Where the tokens go, if not into the body.
    cookies: Option<Cookies<'c>>,
}

/// The answer, at a moment that tells nothing once a password was looked at.
pub(in crate::issuer) async fn login(call: &Call) -> Result<Ready, Refusal> {
    let login = Login::read(call)?;
    match enter(call, login).await {
        Ok(answer) => Ok(call.at_fixed_time(answer)),
        Err(Refusal::Password) => Ok(call.at_fixed_time(call.refusal(Refusal::Password))),
        Err(refusal) => Err(refusal),
    }
}

async fn enter(call: &Call, login: Login<'_>) -> Result<Answer, Refusal> {
    let client = FIRST_PARTY_CLIENT;
    let signed_in = sign_in(call, &login.username, login.password, client).await?;
    let granted = scopes::grant(login.scopes.as_deref(), &[signed_in.user.grants.scopes()]);
    let granted = granted.ok_or(Refusal::Scope)?;
    let tokens = signed_in.start(call, client, granted).await?;
    Ok(match login.cookies {
        Some(cookies) => tokens.answer_in_cookies(cookies),
        None => tokens.answer(),
    })
}

impl<'c> Login<'c> {
    fn read(call: &'c Call) -> Result<Self, Refusal> {
        let given = call.parameters()?;
        let cookies = cookies(call, &given)?;
        Ok(Self {
            username: given.required("username")?.to_owned(),
            password: given.password("password")?,
            scopes: scopes::parse(given.text("scope")?).map_err(|_| Refusal::Scope)?,
            cookies,
        })
    }
}

/// Cookies, if they are wanted: then a page of ours must ask, or any page could sign its visitor in as somebody else.
fn cookies<'c>(call: &'c Call, given: &Parameters) -> Result<Option<Cookies<'c>>, Refusal> {
    if !given.flag("cookies")? {
        return Ok(None);
    }
    let cookies = Cookies::of(call.local()?).ok_or(RequestError::Unacceptable("cookies"))?;
    if !cookies.is_same_origin(&call.asked.headers) {
        return Err(Refusal::CrossOrigin);
    }
    Ok(Some(cookies))
}

#[cfg(test)]
mod tests;
