//! Bookinfo: productpage → details and reviews, reviews v2 and v3 → ratings.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{Call, Pod};

const DETAILS: &str = "details:9080";
const REVIEWS: &str = "reviews:9080";
const RATINGS: &str = "ratings:9080";

/// `/productpage` as a page, `/api/v1/products/0[/reviews|/ratings]` as JSON.
pub(super) async fn productpage(pod: &Pod, call: &Call) -> Response<Full<Bytes>> {
    match call.path() {
        "/health" => super::text("Product page is healthy\n".to_owned()),
        "/api/v1/products/0" => proxied(call.get(pod, DETAILS, "/details/0").await),
        "/api/v1/products/0/reviews" => proxied(call.get(pod, REVIEWS, "/reviews/0").await),
        "/api/v1/products/0/ratings" => proxied(call.get(pod, RATINGS, "/ratings/0").await),
        "/productpage" => {
            let (details, reviews) = tokio::join!(
                call.get(pod, DETAILS, "/details/0"),
                call.get(pod, REVIEWS, "/reviews/0")
            );
            super::typed("text/html; charset=utf-8", page(details, reviews))
        }
        _ => super::status(StatusCode::NOT_FOUND),
    }
}

/// `/details/0`.
pub(super) fn details(call: &Call) -> Response<Full<Bytes>> {
    match call.path() {
        "/health" => super::json(&json!({"status": "Details is healthy"})),
        "/details/0" => super::json(&json!({
            "id": 0, "author": "William Shakespeare", "year": 1595, "type": "paperback", "pages": 200,
            "publisher": "PublisherA", "language": "English", "ISBN-10": "1234567890", "ISBN-13": "123-1234567890",
        })),
        _ => super::status(StatusCode::NOT_FOUND),
    }
}

/// `/reviews/0`: without stars in v1, black in v2, red in v3.
pub(super) async fn reviews(version: u8, pod: &Pod, call: &Call) -> Response<Full<Bytes>> {
    match call.path() {
        "/health" => return super::json(&json!({"status": "Reviews is healthy"})),
        "/reviews/0" => {}
        _ => return super::status(StatusCode::NOT_FOUND),
    }
    let ratings = match version {
        1 => None,
        _ => Some(call.get(pod, RATINGS, "/ratings/0").await),
    };
    let color = if version == 2 { "black" } else { "red" };
    let review = |reviewer: &str, text: &str| {
        let mut review = json!({"reviewer": reviewer, "text": text});
        let rating = ratings.as_ref().map(|ratings| {
            let stars = ratings
                .as_ref()
                .ok()
                .and_then(|body| serde_json::from_slice::<Value>(body).ok())
                .and_then(|body| body.pointer(&format!("/ratings/{reviewer}")).cloned());
            match stars {
                Some(stars) => json!({"stars": stars, "color": color}),
                None => json!({"error": "Ratings service is currently unavailable"}),
            }
        });
        if let (Some(rating), Some(members)) = (rating, review.as_object_mut()) {
            members.insert("rating".to_owned(), rating);
        }
        review
    };
    super::json(&json!({
        "id": "0",
        "podname": pod.name,
        "clustername": "null",
        "reviews": [
            review("Reviewer1", "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!"),
            review("Reviewer2", "Absolutely fun and entertaining. The play lacks thematic depth."),
        ],
    }))
}

/// `/ratings/0`.
pub(super) fn ratings(call: &Call) -> Response<Full<Bytes>> {
    match call.path() {
        "/health" => super::json(&json!({"status": "Ratings is healthy"})),
        "/ratings/0" => super::json(&json!({"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}})),
        _ => super::status(StatusCode::NOT_FOUND),
    }
}

fn proxied(body: Result<Bytes, String>) -> Response<Full<Bytes>> {
    match body {
        Ok(body) => super::typed("application/json", String::from_utf8_lossy(&body).into_owned()),
        Err(reason) => {
            let mut response = super::json(&json!({ "error": reason }));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        }
    }
}

fn page(details: Result<Bytes, String>, reviews: Result<Bytes, String>) -> String {
    let section = |title: &str, body: Result<Bytes, String>| match body {
        Ok(body) => format!(
            "<h2>{title}</h2>\n<pre>{}</pre>\n",
            String::from_utf8_lossy(&body)
        ),
        Err(reason) => {
            format!("<h2>Error fetching {title}</h2>\n<p>Sorry, currently unavailable: {reason}.</p>\n")
        }
    };
    format!(
        "<!DOCTYPE html>\n<title>Simple Bookstore App</title>\n<h1>The Comedy of Errors</h1>\n{}{}",
        section("Book Details", details),
        section("Book Reviews", reviews)
    )
}
