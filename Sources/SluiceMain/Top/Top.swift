import Foundation
import SluiceBench
import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTime

/// `sluice top` while it runs: one connection to the admin listener, made anew when it ends.
final class Top {
    private let admin: String
    private let target: LoadTarget
    private let duration: Nanoseconds?
    private let loop: EndpointLoop
    private let client: HTTPClient
    private let screen: TopScreen
    private let isTerminal: Bool
    private var feed = TopFeed()
    private var painter = ScreenPainter()
    private var keyWatch: EndpointLoop.Watch?
    private var isOver = false
    private var heardAt = Instant.unset
    /// Why nothing comes, while nothing does.
    private var trouble: String?

    private static let retryInterval = Nanoseconds.seconds(1)
    private static let refreshInterval = Nanoseconds.seconds(1)
    /// Without an event for so long the connection is given up and made anew.
    private static let silenceMax = Nanoseconds.seconds(5)
    /// What is shown is old from then on.
    private static let staleAfter = Nanoseconds.seconds(3)

    init(_ admin: String, _ target: LoadTarget, duration: Nanoseconds?) throws(SystemError) {
        self.admin = admin
        self.target = target
        self.duration = duration
        loop = try EndpointLoop()
        client = HTTPClient(on: loop)
        isTerminal = ScreenText.isForTerminal
        screen = TopScreen(admin: admin, text: ScreenText.standard)
    }

    /// Runs until a signal, the duration or `q`.
    ///
    /// - Returns: whether a gateway was ever heard.
    func run(_ signals: SignalSource) throws(SystemError) -> Bool {
        let keyMode = KeyMode()
        _ = try loop.watch(signals.descriptor, .read) { [unowned self] _ in
            while signals.next() != nil { isOver = true }
        }
        if keyMode != nil {
            keyWatch = try loop.watch(Terminal.inputDescriptor, .read) { [unowned self] _ in
                takeKeys()
            }
        }
        if let duration { loop.after(duration) { [unowned self] in isOver = true } }
        connect()
        refresh()
        while !isOver { loop.turn(maxWait: .seconds(1)) }
        guard feed.state == nil else { return true }
        printError(
            "sluice: \(trouble ?? "nothing was heard"); is this the admin listener (--admin)?\n")
        return false
    }

    private func takeKeys() {
        let keys = Terminal.keys()
        if keys.isEmpty, let keyWatch {
            loop.unwatch(keyWatch, Terminal.inputDescriptor)
            self.keyWatch = nil
        }
        if keys.contains(UInt8(ascii: "q")) { isOver = true }
    }

    // MARK: The connection

    private func connect() {
        var request = HTTPClient.request(.get, "/dashboard/events", at: target, apiKey: nil)
        request.totalMax = .seconds(3_600)
        request.bodyBytesMax = .max
        if let last = feed.lastID { request.fields.append(("last-event-id", last)) }
        feed.begin()
        var handlers = ClientHandlers()
        var status = 0
        let exchange = Connection()
        handlers.onHead = { code, _ in status = code }
        handlers.onBody = { [unowned self] buffer, range in
            guard status == 200 else { return }
            switch feed.take(buffer.array(range)) {
            case true?:
                heardAt = loop.now
                trouble = nil
                if isTerminal { draw() }
            case false?: break
            case nil:
                trouble = "\(admin) says what this version does not know"
                exchange.isUseless = true
            }
        }
        handlers.onEnd = { [unowned self] in
            exchange.isOver = true
            if status != 200 { trouble = "\(admin): HTTP \(status)" }
            again()
        }
        handlers.onFailure = { [unowned self] failure in
            exchange.isOver = true
            trouble = "\(admin): \(failure.sentence)"
            again()
        }
        exchange.value = client.send(request, to: target.address, handlers)
        watch(exchange)
    }

    private final class Connection {
        var value: ClientExchange?
        /// What it says is of no use.
        var isUseless = false
        var isOver = false
    }

    private func again() {
        loop.after(Self.retryInterval) { [unowned self] in connect() }
    }

    /// Gives a connection up on which nothing comes.
    private func watch(_ connection: Connection) {
        let began = loop.now
        loop.after(Self.silenceMax) { [unowned self] in
            guard !connection.isOver else { return }
            let last = heardAt.isSet ? max(heardAt, began) : began
            guard connection.isUseless || loop.now - last >= Self.silenceMax else {
                return watch(connection)
            }
            connection.value?.cancel()
            if trouble == nil { trouble = "\(admin) is silent" }
            again()
        }
    }

    // MARK: The screen

    private func refresh() {
        loop.after(Self.refreshInterval) { [unowned self] in refresh() }
        guard isTerminal else {
            if heardAt.isSet || trouble != nil { write(screen.line(feed, silence: silence) + "\n") }
            return
        }
        draw()
    }

    /// What is wrong, where what is shown is old.
    private var silence: String? {
        guard heardAt.isSet else { return trouble }
        let age = loop.now - heardAt
        guard age > Self.staleAfter else { return nil }
        return "no data for \(Figure.fixed(age.seconds, 0)) s" + (trouble.map { ": \($0)" } ?? "")
    }

    private func draw() {
        let size = Terminal.size()
        write(
            painter.paint(
                screen.lines(feed, silence: silence, columns: size.columns, rows: size.rows), size))
    }

    /// Writes to standard output; when nobody reads it any more (`sluice top | head`), it stops.
    private func write(_ text: String) {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
        } catch {
            isOver = true
        }
    }
}
