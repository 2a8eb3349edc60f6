//! Chromium, driven by its own driver over the `WebDriver` protocol (W3C).

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How long a page may take to show something.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with an empty profile; it and its driver end with this value.
pub(crate) struct Browser {
    pub(crate) page: Client,
    driver: Child,
    driver_url: String,
}

impl Browser {
    /// Starts one; `scripts` says whether pages may run any.
    pub(crate) async fn start(scripts: bool) -> Self {
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed by infra/scripts/setup.sh test");
        let driver_url = format!("http://127.0.0.1:{port}");
        // 2 forbids them.
        let javascript = if scripts { 1 } else { 2 };
        let capabilities = json!({
            "goog:chromeOptions": {
                "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900"],
                "prefs": {"profile.managed_default_content_settings.javascript": javascript},
            },
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        let deadline = Instant::now() + PATIENCE;
        let page = loop {
            match builder.connect(&driver_url).await {
                Ok(page) => break page,
                Err(error) => assert!(Instant::now() < deadline, "no browser: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        Self {
            page,
            driver,
            driver_url,
        }
    }

    /// Waits for an element.
    pub(crate) async fn find(&self, css: &str) -> Element {
        let wait = self.page.wait().at_most(PATIENCE);
        let found = wait.for_element(Locator::Css(css)).await;
        found.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    /// Waits until the script's value is true.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        let deadline = Instant::now() + PATIENCE;
        let script = format!("return {script}");
        loop {
            let value = self.page.execute(&script, Vec::new());
            if value.await.unwrap() == Value::Bool(true) {
                return;
            }
            if Instant::now() > deadline {
                let text = self
                    .page
                    .execute("return document.body.innerText", Vec::new());
                panic!("waited for {what}; the page shows: {}", text.await.unwrap());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the page's text has this in it.
    pub(crate) async fn until_text(&self, text: &str) {
        let script = format!("document.body.innerText.includes({})", json!(text));
        self.until(text, &script).await;
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    /// What the browser complained about: errors of scripts, violations of the policy, files that did not load.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.ask("se/log", &json!({"type": "browser"})).await;
        let lines = log.as_array().unwrap().iter();
        lines
            .filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING")
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Gives the page this width: a window cannot be as narrow as a telephone.
    pub(crate) async fn set_width(&self, width: u32) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": size});
        self.ask("goog/cdp/execute", &command).await;
    }

    /// A command of Chromium's driver that the protocol does not have.
    async fn ask(&self, command: &str, body: &Value) -> Value {
        let session = self.page.session_id().await.unwrap().unwrap();
        let url = format!("{}/session/{session}/{command}", self.driver_url);
        let request = reqwest::Client::new().post(url).json(body);
        let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["value"].take()
    }

    pub(crate) async fn close(mut self) {
        self.page.clone().close().await.unwrap();
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
    }
}

impl Drop for Browser {
    /// After a failed test; the browser ends with its driver.
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
