// An implementation that is not ours: Go's checksum-database packages (golang.org/x/mod/sumdb, from Debian) read what
// evidock writes. Each word ends with 0 where everything holds, and with 1 and a reason where it does not.
//
//	oracle note KEY NOTE                          a signed note
//	oracle proof KEY EVENT PROOF                  an entry's tlog-proof
//	oracle consistency OLD NEW HASH...            two checkpoints without signatures (SIZE:ROOT), base64
//	oracle tiles KEY CHECKPOINT DIR               every entry below DIR/tile/ in the tree of the checkpoint
//
// KEY is a file with verifier keys, one a line; those that are no Ed25519 keys are left out.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	err := fmt.Errorf("wrong usage")
	args := os.Args[1:]
	switch {
	case len(args) == 3 && args[0] == "note":
		_, err = openNote(args[1], read(args[2]))
	case len(args) == 4 && args[0] == "proof":
		err = proof(args[1], read(args[2]), read(args[3]))
	case len(args) >= 3 && args[0] == "consistency":
		err = consistency(args[1], args[2], args[3:])
	case len(args) == 4 && args[0] == "tiles":
		err = tiles(args[1], read(args[2]), args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) []byte {
	bytes, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return bytes
}

// A checkpoint is Go's tree head with another first line (c2sp.org/tlog-checkpoint).
func openNote(keys string, text []byte) (tree tlog.Tree, err error) {
	var known []note.Verifier
	for _, line := range strings.Fields(string(read(keys))) {
		if verifier, err := note.NewVerifier(line); err == nil {
			known = append(known, verifier)
		}
	}
	opened, err := note.Open(text, note.VerifierList(known...))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 {
		return tree, fmt.Errorf("the note has %d lines", len(lines))
	}
	return head(lines[1] + ":" + lines[2])
}

func head(text string) (tree tlog.Tree, err error) {
	size, root, _ := strings.Cut(text, ":")
	if tree.N, err = strconv.ParseInt(size, 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = hash(root)
	return tree, err
}

func hash(text string) (h tlog.Hash, err error) {
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err == nil && len(bytes) != len(h) {
		err = fmt.Errorf("a hash of %d bytes", len(bytes))
	}
	copy(h[:], bytes)
	return h, err
}

func hashes(lines []string) (all []tlog.Hash, err error) {
	for _, line := range lines {
		h, err := hash(line)
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

func proof(keys string, event, text []byte) error {
	above, below, found := strings.Cut(string(text), "\n\n")
	if !found {
		return fmt.Errorf("no checkpoint in the proof")
	}
	tree, err := openNote(keys, []byte(below))
	if err != nil {
		return err
	}
	lines := strings.Split(above, "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	path, err := hashes(lines[2:])
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(event))
}

func consistency(older, newer string, lines []string) error {
	old, err := head(older)
	if err != nil {
		return err
	}
	tree, err := head(newer)
	if err != nil {
		return err
	}
	path, err := hashes(lines)
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash)
}

// folder reads tiles as C2SP lays them out: Go's paths without the height.
type folder string

func (f folder) Height() int { return 8 }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		bytes, err := os.ReadFile(filepath.Join(string(f), strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		all = append(all, bytes)
	}
	return all, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func tiles(keys string, checkpoint []byte, dir string) error {
	tree, err := openNote(keys, checkpoint)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, folder(dir))
	if root, err := tlog.TreeHash(tree.N, reader); err != nil || root != tree.Hash {
		return fmt.Errorf("the tiles give another root: %v", err)
	}
	for at := int64(0); at < tree.N; at += 256 {
		width := tree.N - at
		if width > 256 {
			width = 256
		}
		path := strings.Replace(tlog.Tile{H: 8, L: 0, N: at / 256, W: int(width)}.Path(), "tile/8/0/", "tile/entries/", 1)
		bundle, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		for n := at; n < at+width; n++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return fmt.Errorf("the bundle of entry %d ends early", n)
			}
			entry := bundle[2 : 2+int(binary.BigEndian.Uint16(bundle))]
			bundle = bundle[2+len(entry):]
			stored, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
			if err != nil {
				return err
			}
			if stored[0] != tlog.RecordHash(entry) {
				return fmt.Errorf("entry %d is not what the tree has", n)
			}
		}
		if len(bundle) > 0 {
			return fmt.Errorf("the bundle from entry %d on has %d bytes more", at, len(bundle))
		}
	}
	return nil
}
