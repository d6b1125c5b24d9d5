import { expect, it } from 'vitest'
import { unzip, zip } from './zip.ts'

const content = new TextEncoder().encode('numbers')

it('reads what it writes, and only what is wanted', async () => {
  const archive = await zip({ 'a.txt': content, 'b/c.txt': content })
  const files = await unzip(archive, 'm.keras', (name) => name.startsWith('b/'))
  expect([...files]).toEqual([['b/c.txt', content]])
})

it('an archive whose list of files is longer than the archive is refused at once', async () => {
  const archive = await zip({ 'a.txt': content })
  const end = archive.length - 22
  // Files on this disk, and in all.
  archive.fill(0xfe, end + 8, end + 12)
  await expect(unzip(archive, 'm.keras', () => true)).rejects.toThrow(
    'm.keras: not a zip archive that can be read: its list of 65278 files ends after 1. Copy the file again',
  )
  archive.fill(0, end, end + 4)
  await expect(unzip(archive, 'm.keras', () => true)).rejects.toThrow('its end is missing')
})

it('so is one whose list for large archives claims any number of files', async () => {
  const small = await zip({ 'a.txt': content })
  const end = small.length - 22
  const archive = new Uint8Array(small.length + 76)
  archive.set(small.subarray(0, end))
  archive.set(small.subarray(end), end + 76)
  const view = new DataView(archive.buffer)
  view.setUint32(end, 0x06064b50, true)
  view.setUint32(end + 32, 0xfffffff0, true)
  view.setUint32(end + 56, 0x07064b50, true)
  view.setUint32(end + 64, end, true)
  await expect(unzip(archive, 'm.pt', () => true)).rejects.toThrow(
    'm.pt: not a zip archive that can be read: its list of 4294967280 files ends after 0',
  )
})

it('a file that unpacks to far more than the archive is refused before it is unpacked', async () => {
  const archive = await zip({ 'a.txt': content })
  const view = new DataView(archive.buffer)
  const entry = view.getUint32(archive.length - 22 + 16, true)
  view.setUint32(entry + 24, 1 << 30, true)
  await expect(unzip(archive, 'm.keras', () => true)).rejects.toThrow(
    'm.keras: it would unpack to more than 64 times its size',
  )
})
