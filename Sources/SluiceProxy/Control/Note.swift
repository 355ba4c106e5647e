import Logging

/// What another thread has to say to the operator, on the control plane's log.
struct Note: Sendable {
    let level: Logger.Level
    let text: String

    /// Something is wrong.
    static func warning(_ text: String) -> Note { Note(level: .warning, text: text) }

    /// Something was done, or is well again.
    static func news(_ text: String) -> Note { Note(level: .notice, text: text) }
}
