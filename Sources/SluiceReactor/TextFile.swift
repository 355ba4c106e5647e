import Glibc

/// Small files read whole; cold paths only.
package enum TextFile {
    /// Bytes read at most; the rest is left out.
    package static let bytesMax = 1 << 20

    /// The file's text, or nil when it cannot be opened. Source: open(2), read(2).
    package static func read(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while text.count < bytesMax {
            // Safety: the array is as long as the call is told.
            let count = unsafe Glibc.read(
                descriptor, &chunk, min(chunk.count, bytesMax - text.count))
            guard count > 0 else { break }
            text.append(contentsOf: chunk[0..<count])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
