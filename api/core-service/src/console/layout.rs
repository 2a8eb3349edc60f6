//! What all pages share: the frame around them, and the answer that carries them.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The frame of a page for a person who is logged in.
#[derive(Debug)]
pub(super) struct Frame {
    /// What is shown as the browser's title.
    pub(super) title: String,
    /// The first part of the address, which the navigation marks: `payments`.
    pub(super) section: &'static str,
    /// What each form must send.
    pub(super) form_token: String,
    /// The role of the person, as the header shows it.
    pub(super) role: String,
    /// Whether the person may act: without it no page shows a control that writes.
    pub(super) may_act: bool,
    /// Whether the person may read the audit.
    pub(super) may_audit: bool,
}

impl Frame {
    /// The links of the navigation: section, label, and whether it is that of this page.
    pub(super) fn links(&self) -> Vec<(&'static str, &'static str, bool)> {
        let mut links = vec![
            ("", "Overview"),
            ("jobs", "Jobs"),
            ("payments", "Payments"),
            ("webhooks", "Webhooks"),
            ("machines", "Machines"),
        ];
        if self.may_audit {
            links.push(("audit", "Audit"));
        }
        let links = links.into_iter();
        links
            .map(|(section, label)| (section, label, section == self.section))
            .collect()
    }
}

/// The answer with this page.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (status, kind, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "failed to render a page; answering 500");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
