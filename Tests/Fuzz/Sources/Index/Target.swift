import FuzzLimits
import Glibc
import Safetensors

/// The input is the index of two files, both of which have a tensor `w`.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  write(UnsafeRawBufferPointer(start: bytes, count: count), to: index)
  fuzz_begin(count)
  do {
    let reader = try SafetensorsReader(index)
    for tensor in reader.tensors { _ = try reader.floats(tensor.name) }
    try reader.verify()
  } catch {
    _ = "\(error)"
  }
  return fuzz_end()
}

private let index: String = {
  let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  for (file, name) in [("a", "v"), ("b", "x")] {
    let path = "\(folder)/\(file).safetensors"
    let header =
      #"{"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"#
      + #""\#(name)":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    (length + header.utf8 + [UInt8](repeating: 0, count: 8)).withUnsafeBytes { write($0, to: path) }
  }
  return "\(folder)/m.safetensors.index.json"
}()

private func write(_ bytes: UnsafeRawBufferPointer, to path: String) {
  let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  precondition(pwrite(file, bytes.baseAddress, bytes.count, 0) == bytes.count)
  close(file)
}
