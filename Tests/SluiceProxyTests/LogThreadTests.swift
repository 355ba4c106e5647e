import Foundation
import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import Synchronization
import Testing

@testable import SluiceProxy

/// A file of lines with a bound.
@Suite struct LogThreadTests {
    private final class Notes: Sendable {
        let all = Mutex<[String]>([])
    }

    /// Hands over `count` lines of ten bytes; gives the file and what was noted.
    private func written(_ count: Int, bytesMax: Int?, before: String = "") throws -> (
        String, [String], LogOutbox
    ) {
        let path = NSTemporaryDirectory() + "sluice-log-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try before.write(toFile: path, atomically: true, encoding: .utf8)
        let notes = Notes()
        let outbox = LogOutbox()
        let file = LogFile(
            name: "test", target: .file(path), head: "# head\n", bytesMax: bytesMax,
            outboxes: [outbox], reopens: SharedFlag(),
            note: { note in notes.all.withLock { $0.append(note.text) } })
        let thread = try LogThread(file)
        let batch = LogBatch(outbox)
        for number in 0..<count where batch.isWanted {
            batch.lines.value.append("line ")
            batch.lines.value.append(text: String(1_000 + number % 9_000))
            batch.lines.value.append(0x0A)
            batch.added(now: MonotonicClock.now())
        }
        batch.flush()
        thread?.stop()
        return (
            try String(contentsOfFile: path, encoding: .utf8), notes.all.withLock { $0 }, outbox
        )
    }

    @Test func `without a bound every line is there`() throws {
        let (text, notes, outbox) = try written(1_000, bytesMax: nil)
        #expect(text.split(separator: "\n").count == 1_001)
        #expect(notes.isEmpty)
        #expect(outbox.linesDropped == 0)
    }

    @Test func `at its bound a file ends with a whole line and says so`() throws {
        let (text, notes, outbox) = try written(1_000, bytesMax: 500)
        #expect(text.utf8.count <= 500)
        let lines = text.split(separator: "\n")
        #expect(lines.first == "# head")
        #expect(lines.last == "# end: the file is at its bound")
        #expect(lines.dropFirst().dropLast().allSatisfy { $0.utf8.count == 9 })
        #expect(lines.count == 2 + (500 - 7 - 32) / 10)
        #expect(notes.count == 1)
        #expect(outbox.isClosed)
    }

    @Test func `what is in the file already counts`() throws {
        let before = String(repeating: "x", count: 499) + "\n"
        let (text, _, outbox) = try written(10, bytesMax: 500, before: before)
        #expect(text == before)
        #expect(outbox.isClosed)
    }
}
