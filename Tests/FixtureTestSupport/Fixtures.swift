import Foundation

/// A file of the folder `Fixtures` of the suite that asks for it, whichever of its folders it asks from.
///
/// - Throws: when there is none, or it cannot be read.
package func fixture(_ name: String, askedFrom file: String = #filePath) throws -> [UInt8] {
    var folder = URL(filePath: file).deletingLastPathComponent()
    // Not beyond the suite: another's may be of the same name.
    while !FileManager.default.fileExists(atPath: folder.appending(path: "Fixtures").path),
        folder.deletingLastPathComponent().lastPathComponent != "Tests"
    {
        folder.deleteLastPathComponent()
    }
    return [UInt8](try Data(contentsOf: folder.appending(path: "Fixtures/\(name)")))
}
