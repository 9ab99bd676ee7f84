//! Where metrics are served: at the file's address, as soon and as long as that can be had.
//!
//! Owns the trying: an address that is not there yet, or a port that is taken, keeps nobody from forwarding. Says what is
//! in the way, so that an alarm can.

use crate::admin::Asked;
use crate::admin::web;
use crate::time::Duration;
use std::net::SocketAddr;
use tokio::sync::{mpsc, watch};

/// From one attempt to the next.
const RETRY: Duration = Duration::from_secs(2);

/// The manager's ends of the channels to it.
pub struct Scraping {
    /// Where to serve from now on.
    pub address: watch::Sender<Option<SocketAddr>>,
    /// What is in the way; `None`: nothing any more.
    pub trouble: mpsc::UnboundedReceiver<Option<String>>,
}

/// Serves at whatever `address` holds, nowhere for `None`, until `stopped`. Sends what is in the way, `None` once nothing is.
pub async fn serve(
    mut address: watch::Receiver<Option<SocketAddr>>,
    asked: mpsc::Sender<Asked>,
    trouble: mpsc::UnboundedSender<Option<String>>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let wanted = *address.borrow_and_update();
        let listener = match wanted {
            Some(address) => web::bind(address).await.map(Some),
            None => Ok(None),
        };
        let _ = trouble.send(listener.as_ref().err().map(ToString::to_string));
        let retry = listener.is_err();
        let ended = async {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => true,
                Ok(()) = address.changed() => false,
                () = tokio::time::sleep(RETRY), if retry => false,
            }
        };
        let ended = match listener {
            Ok(Some(listener)) => {
                let (end, until) = tokio::sync::oneshot::channel();
                let until = async {
                    let _ = until.await;
                };
                let serving = web::serve(listener, asked.clone(), until);
                let ending = async {
                    let ended = ended.await;
                    let _ = end.send(());
                    ended
                };
                tokio::join!(serving, ending).1
            }
            _ => ended.await,
        };
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_port_that_is_taken_is_reported_and_served_once_it_is_free_and_so_is_another() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = taken.local_addr().unwrap();
        let (address, wanted) = watch::channel(Some(at));
        let (trouble, mut troubles) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let (asked, _questions) = mpsc::channel(1);
        let task = tokio::spawn(serve(wanted, asked, trouble, stopped));
        let first = troubles.recv().await.unwrap().expect("it is in the way");
        assert!(first.starts_with(&format!("cannot listen for metrics at {at}: ")), "{first}");
        drop(taken);
        while troubles.recv().await.unwrap().is_some() {}
        tokio::net::TcpStream::connect(at).await.expect("somebody listens");
        address.send(None).unwrap();
        assert_eq!(troubles.recv().await.unwrap(), None);
        assert!(tokio::net::TcpStream::connect(at).await.is_err(), "nobody does any more");
        stop.send(true).unwrap();
        task.await.unwrap();
    }
}
