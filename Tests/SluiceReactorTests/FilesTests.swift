import Foundation
import SluiceReactor
import Testing

@Suite struct FilesTests {
    private func path() -> String { NSTemporaryDirectory() + "sluice-file-\(UUID().uuidString)" }

    @Test func `what is written is added to the file, and read whole`() throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let line = Array("hello\n".utf8)
        for _ in 0..<2 {
            let file = try OutputFile(appendingTo: path)
            let wrote = file.write(line.span)
            #expect(wrote == .bytes(6))
        }
        #expect(TextFile.read(path) == "hello\nhello\n")
    }

    @Test func `one write takes no more than it may`() throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let line = Array("hello".utf8)
        let file = try OutputFile(appendingTo: path)
        let wrote = file.write(line.span, bytesMax: 2)
        #expect(wrote == .bytes(2))
        #expect(TextFile.read(path) == "he")
    }

    @Test func `a full disk is a failure, a missing directory an error`() throws {
        let full = try OutputFile(appendingTo: "/dev/full")
        let line = Array("hello".utf8)
        let wrote = full.write(line.span)
        #expect(wrote == .failed)
        #expect(throws: SystemError.self) { _ = try OutputFile(appendingTo: "/nowhere/at/all") }
        #expect(TextFile.read("/nowhere/at/all") == nil)
    }

    @Test func `a long file is read up to the bound`() throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(repeating: 0x61, count: TextFile.bytesMax + 1).write(to: URL(filePath: path))
        #expect(TextFile.read(path)?.utf8.count == TextFile.bytesMax)
    }

    @Test func `descriptors are counted, and fewer than may be`() throws {
        let before = DescriptorTable.countOpen()
        #expect(before > 2 && before < DescriptorTable.limit)
    }
}
