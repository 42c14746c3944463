import Descent
import FuzzLimits
import Safetensors

/// The input is the object `__metadata__` of a file of one tensor.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let tensor = #","w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
  var header = Array(#"{"__metadata__":"#.utf8)
  header += UnsafeBufferPointer(start: bytes, count: count)
  header += tensor.utf8
  var length = UInt64(header.count)
  guard let path = fuzz_file(&length, 8, header, header.count, 8) else { return 0 }
  let name = String(cString: path)
  fuzz_begin(count)
  read(name)
  return fuzz_end()
}

private func read(_ path: String) {
  if let file = try? SafetensorsFile(path) {
    _ = file.checksum(of: "w")
    _ = file.metadata["descent.format"]
    try? file.verify()
  }
  do {
    _ = try Checkpoint(path).metadata["train"]
  } catch {
    _ = "\(error)"
  }
}
