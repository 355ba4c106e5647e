import Logging
import SluiceBytes

// Written by the gateway's threads, read by the main thread once a second.

/// What the gateway says, kept for the screen instead of printed over it.
struct DemoLog: LogHandler {
    private final class Lines: Sendable { let kept = Guarded<[String]>([]) }

    private let lines = Lines()
    var logLevel = Logger.Level.notice
    var metadata: Logger.Metadata = [:]

    /// Lines kept at most until they are taken.
    static let linesMax = 64

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { add("\(event.message)") }

    /// Keeps a line.
    func add(_ line: String) {
        lines.kept.withLock { kept in
            if kept.count == Self.linesMax { kept.removeFirst() }
            kept.append(line)
        }
    }

    /// Takes what has been said since the last call.
    func take() -> [String] {
        lines.kept.withLock { kept in
            let taken = kept
            kept = []
            return taken
        }
    }
}
