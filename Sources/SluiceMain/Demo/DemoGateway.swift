import Glibc
import Logging
import SluiceConfig
import SluiceExchange
import SluiceProxy
import SluiceReactor

// The gateway runs on a thread of its own, which says through `news` when it is ready and when it
// has ended; the main thread ends it through its handle.

/// The gateway of the demo.
final class DemoGateway {
    /// What its thread tells.
    enum News: Sendable {
        case ready(GatewayAddresses)
        /// With the reason, where it did not end as asked.
        case ended(String?)
    }

    let news: Mailbox<News>
    private let start: Start
    private var thread: WorkerThread?

    /// Made on the main thread and run on its own; the handle may be used from any.
    private final class Start: @unchecked Sendable {
        let gateway: Gateway
        init(_ gateway: Gateway) { self.gateway = gateway }
    }

    init(settings: GatewaySettings, log: DemoLog) throws {
        news = try Mailbox()
        do throws(GatewayError) {
            start = Start(
                try Gateway(
                    settings: settings, configuration: Configuration.render(settings),
                    logger: Logger(label: "sluice") { _ in log }, takesSignals: false))
        } catch {
            printError("sluice demo: \(error)\n")
            throw configurationExitCode
        }
    }

    func begin() throws(SystemError) {
        let (start, news) = (start, news)
        thread = try WorkerThread(name: "sluice-gateway") {
            do throws(GatewayError) {
                try start.gateway.run { news.post(.ready($0)) }
                news.post(.ended(nil))
            } catch {
                news.post(.ended("\(error)"))
            }
        }
    }

    /// The first call drains, the second stops at once.
    func end() { start.gateway.handle.signal(SIGTERM) }

    func join() { thread.take()?.join() }
}
