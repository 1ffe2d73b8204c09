//! The page that a node serves to browsers, and the headers that confine it.
//!
//! `scripts/page` builds it from `page/` before Cargo; the build script embeds the result. Without
//! it, a notice takes its place. What answers the requests is `paymaster-relay/src/rpc/page.rs`.

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY};
use http::header::{InvalidHeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Response};

include!(concat!(env!("OUT_DIR"), "/built.rs"));

const NOTICE: &str = include_str!("notice.html");
const INDEX: &str = "index.html";
/// The folder of every file but the first.
const FOLDER: &str = "/page/";
/// The path of what a node says to its page.
pub const FACTS: &str = "/page/facts.json";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// The page's files, and the headers of every answer.
#[derive(Clone, Debug)]
pub struct Page {
    files: &'static [(&'static str, &'static [u8])],
    headers: HeaderMap,
}

impl Page {
    /// The page that was built, or the notice. It may connect to its own origin, and to these.
    ///
    /// # Errors
    /// [`InvalidHeaderValue`] if an origin has characters that no header may have.
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidHeaderValue> {
        Self::of(BUILT, origins)
    }

    fn of<'a>(
        files: &'static [(&'static str, &'static [u8])],
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidHeaderValue> {
        Ok(Self { files, headers: headers(origins)? })
    }

    /// The answer to `GET` of a path; `None` for a path that is not the page's.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Response<Bytes>> {
        let name = if path == "/" { INDEX } else { path.strip_prefix(FOLDER)? };
        match self.files.iter().find(|(known, _)| *known == name) {
            Some((_, content)) => Some(self.answer(content_type(name), Bytes::from_static(content))),
            None if name == INDEX => Some(self.answer(content_type(INDEX), Bytes::from_static(NOTICE.as_bytes()))),
            None => None,
        }
    }

    /// The answer with this JSON.
    #[must_use]
    pub fn json(&self, json: String) -> Response<Bytes> {
        self.answer("application/json", json.into())
    }

    fn answer(&self, content_type: &'static str, body: Bytes) -> Response<Bytes> {
        let mut response = Response::new(body);
        *response.headers_mut() = self.headers.clone();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}

/// No script but the page's own, no frame around it, no HTML from strings, and no connection but to
/// the relay and these origins.
fn headers<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut connect = "'self'".to_owned();
    for origin in origins {
        connect.push(' ');
        connect.push_str(origin);
    }
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {connect}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    );
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_SECURITY_POLICY, policy.parse()?);
    let fixed = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, "publickey-credentials-create=(self), publickey-credentials-get=(self)"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(headers)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &[u8])] = &[("app.js", b"1"), ("index.html", b"<h1>page</h1>")];

    fn page() -> Page {
        Page::of(FILES, ["http://127.0.0.1:3002"]).unwrap()
    }

    fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
        response.headers()[name].to_str().unwrap()
    }

    #[test]
    fn the_files_are_served_with_their_types() {
        for (path, body, kind) in [
            ("/", "<h1>page</h1>", "text/html; charset=utf-8"),
            ("/page/app.js", "1", "text/javascript; charset=utf-8"),
        ] {
            let response = page().file(path).unwrap();
            assert_eq!((response.body().as_ref(), header(&response, "content-type")), (body.as_bytes(), kind));
        }
    }

    #[test]
    fn no_other_path_is_the_page_s() {
        for path in ["/app.js", "/page", "/page/", "/page/missing.js", "/page/../Cargo.toml", "/page/app.js/", "/rpc"] {
            assert!(page().file(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_page_that_was_not_built_is_a_notice_that_says_how() {
        let response = Page::of(&[], []).unwrap().file("/").unwrap();
        assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
        assert!(String::from_utf8_lossy(response.body()).contains("make page"));
        assert!(Page::of(&[], []).unwrap().file("/page/app.js").is_none());
    }

    #[test]
    fn every_answer_confines_the_page_to_its_own_scripts_and_the_origins_given() {
        for response in [page().file("/").unwrap(), page().file("/page/app.js").unwrap(), page().json("{}".to_owned())]
        {
            let policy: Vec<_> = header(&response, "content-security-policy").split("; ").collect();
            for directive in [
                "default-src 'none'",
                "script-src 'self'",
                "connect-src 'self' http://127.0.0.1:3002",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
            ] {
                assert!(policy.contains(&directive), "{directive} is not in {policy:?}");
            }
            assert_eq!(header(&response, "x-content-type-options"), "nosniff");
            assert_eq!(header(&response, "cross-origin-resource-policy"), "same-origin");
        }
    }

    #[test]
    fn an_origin_that_no_header_may_have_is_refused() {
        assert!(Page::of(FILES, ["http://a\n"]).is_err());
    }
}
