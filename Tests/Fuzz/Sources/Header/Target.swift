import FuzzLimits
import Safetensors

/// The input is a header; as many bytes follow it as the greatest of its numbers says.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = UnsafeBufferPointer(start: bytes, count: count)
  var (greatest, number) = (0, 0)
  for byte in input {
    number = byte >= 0x30 && byte <= 0x39 ? min(number * 10 + Int(byte) - 0x30, 1 << 50) : 0
    if number <= 1 << 40 { greatest = max(greatest, number) }
  }
  var length = UInt64(count)
  guard let path = fuzz_file(&length, 8, bytes, count, greatest) else { return 0 }
  let name = String(cString: path)
  fuzz_begin(count)
  read(name)
  return fuzz_end()
}

private func read(_ path: String) {
  guard let file = try? SafetensorsFile(path) else { return }
  var rest = 32
  for tensor in file.tensors where tensor.byteCount < 1 << 16 {
    precondition(file[tensor.name] == tensor)
    _ = file.checksum(of: tensor.name)
    _ = try? file.floats(tensor.name, converting: true)
    _ = try? file.bytes(tensor.name)
    rest -= 1
    if rest == 0 { break }
  }
}
