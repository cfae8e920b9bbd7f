//! The metric that waypoints are scaled by.

use cairn_tests::{Client, Lone};

use crate::load::{Lane, Load};
use crate::raw::until;

#[tokio::test(flavor = "multi_thread")]
async fn saturation_rises_with_load_and_falls_without() {
    let mesh = Lone::start(&[]).await;
    let saturation = async || {
        let client = Client::from(mesh.network.ip(1));
        let metrics = client
            .get(mesh.network.socket(30, 15020), "/stats/prometheus")
            .await;
        let metrics = metrics.unwrap().body;
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix("cairn_saturation "));
        let value: f64 = value.expect("the metric is there").parse().unwrap();
        assert!((0.0..=1.0).contains(&value), "{value}");
        value
    };
    let load = Load::start(&mesh, mesh.service(80), &[Lane::Kept; 8], None);
    let mut peak = 0.0;
    until("it is busy", async || {
        peak = saturation().await;
        (peak > 0.3).then_some(())
    })
    .await;
    load.stop().await.assert_none_failed_of(1);
    until("it is idle", async || {
        (saturation().await < peak / 2.0).then_some(())
    })
    .await;
}
