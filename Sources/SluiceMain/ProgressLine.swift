import SluiceReactor
import SluiceTime

/// One line on standard error that is written again and again; silent where that is no terminal.
final class ProgressLine {
    private var nextAt = Instant.unset
    private var isShown = false

    static let interval = Nanoseconds.milliseconds(250)

    /// Shows the text, if it is time for it.
    func show(at now: Instant, _ text: () -> String) {
        guard Terminal.isError, now >= nextAt else { return }
        nextAt = now + Self.interval
        let width = Terminal.size(of: 2).columns
        printError("\r\u{1B}[2K" + text().prefix(max(1, width - 1)))
        isShown = true
    }

    /// Leaves an empty line for what comes next.
    func clear() {
        if isShown { printError("\r\u{1B}[2K") }
        isShown = false
    }
}
