// An implementation that is not ours: Go's checksum-database packages (golang.org/x/mod/sumdb, from Debian) read what
// evidock writes. Each word ends with 0 where everything holds, and with 1 and a reason where it does not.
//
//	oracle opens KEY NOTE                         a signed note of any kind
//	oracle note KEY NOTE                          a signed note that is a checkpoint
//	oracle cosigned KEY NOTE                      a note with a witness's line (c2sp.org/tlog-cosignature, cosignature/v1)
//	oracle proof KEY EVENT PROOF                  an entry's tlog-proof
//	oracle consistency OLD NEW HASH...            two checkpoints without signatures (SIZE:ROOT), base64
//	oracle goes-on KEY KEPT PROOF                 a kept checkpoint, and the proof that the log goes on from it
//	oracle tiles KEY CHECKPOINT DIR               every entry below DIR/tile/ in the tree of the checkpoint
//	oracle package KEY DIR                        an evidence package: its signature, and every file that this covers
//
// KEY is a file with verifier keys, one a line; those that are no Ed25519 keys are left out, or with "cosigned" those that
// are no witness's (type 4).
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
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
	case len(args) == 3 && args[0] == "opens":
		_, err = open(args[1], read(args[2]))
	case len(args) == 3 && args[0] == "note":
		_, err = openNote(args[1], read(args[2]))
	case len(args) == 3 && args[0] == "cosigned":
		err = cosigned(args[1], read(args[2]))
	case len(args) == 4 && args[0] == "proof":
		err = proof(args[1], read(args[2]), read(args[3]))
	case len(args) >= 3 && args[0] == "consistency":
		err = consistency(args[1], args[2], args[3:])
	case len(args) == 4 && args[0] == "goes-on":
		err = goesOn(args[1], read(args[2]), read(args[3]))
	case len(args) == 4 && args[0] == "tiles":
		err = tiles(args[1], read(args[2]), args[3])
	case len(args) == 3 && args[0] == "package":
		err = pack(args[1], args[2])
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

// open gives the text of a note that one of the keys has signed.
func open(keys string, text []byte) (*note.Note, error) {
	var known []note.Verifier
	for _, line := range strings.Fields(string(read(keys))) {
		if verifier, err := note.NewVerifier(line); err == nil {
			known = append(known, verifier)
		}
	}
	return note.Open(text, note.VerifierList(known...))
}

// witness checks cosignatures: eight bytes of time before an Ed25519 signature over the time and the note's text.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }

func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key, []byte(signed), signature[8:])
}

// newWitness reads a verifier key of type 4, whose id is worked out anew.
func newWitness(line string) (w witness, err error) {
	parts := strings.SplitN(line, "+", 3)
	if len(parts) != 3 {
		return w, fmt.Errorf("no verifier key: %s", line)
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return w, err
	}
	if len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return w, fmt.Errorf("no key of a witness: %s", line)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	w = witness{parts[0], binary.BigEndian.Uint32(sum[:4]), key[1:]}
	if fmt.Sprintf("%08x", w.hash) != parts[1] {
		return w, fmt.Errorf("the id of %s should be %08x", line, w.hash)
	}
	return w, nil
}

func cosigned(keys string, text []byte) error {
	var known []note.Verifier
	for _, line := range strings.Fields(string(read(keys))) {
		w, err := newWitness(line)
		if err != nil {
			return err
		}
		known = append(known, w)
	}
	opened, err := note.Open(text, note.VerifierList(known...))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != len(known) {
		return fmt.Errorf("%d of %d witnesses signed", len(opened.Sigs), len(known))
	}
	return nil
}

// A checkpoint is Go's tree head with another first line (c2sp.org/tlog-checkpoint).
func openNote(keys string, text []byte) (tree tlog.Tree, err error) {
	opened, err := open(keys, text)
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

// goesOn reads what a witness is shown (c2sp.org/tlog-witness): the old size, the proof, the checkpoint.
func goesOn(keys string, kept, text []byte) error {
	old, err := openNote(keys, kept)
	if err != nil {
		return err
	}
	above, below, found := strings.Cut(string(text), "\n\n")
	if !found {
		return fmt.Errorf("no checkpoint in the proof")
	}
	tree, err := openNote(keys, []byte(below))
	if err != nil {
		return err
	}
	lines := strings.Split(above, "\n")
	if lines[0] != fmt.Sprintf("old %d", old.N) {
		return fmt.Errorf("the proof is from another size")
	}
	path, err := hashes(lines[1:])
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

// What no list inside of a package can hold: the list that is signed, the signatures, and BagIt's lists of everything.
var unlisted = map[string]bool{
	"custody/files-sha256.txt": true, "custody/package.note": true, "custody/package.sm2": true,
	"tagmanifest-sha256.txt": true, "tagmanifest-sha512.txt": true,
}

// The signature leads to every byte: note, list of files, list of the payload, files.
func pack(keys, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "custody/package.note"))
	if err != nil {
		return err
	}
	opened, err := open(keys, text)
	if err != nil {
		return err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 5 || !strings.Contains(lines[0], "/package/") {
		return fmt.Errorf("the note is not one on a package")
	}
	signed, err := digest(filepath.Join(dir, "custody/files-sha256.txt"))
	if err != nil {
		return err
	}
	if lines[3] != "files "+signed {
		return fmt.Errorf("the signature is over another list of files")
	}
	listed := map[string]bool{}
	for _, list := range []string{"custody/files-sha256.txt", "manifest-sha256.txt"} {
		if err := compare(dir, list, listed); err != nil {
			return err
		}
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is no file", name)
		}
		if name = filepath.ToSlash(name); !listed[name] && !unlisted[name] {
			return fmt.Errorf("%s is on no list", name)
		}
		return nil
	})
}

// compare looks at every file on a list, and adds their names to those that are listed.
func compare(dir, list string, listed map[string]bool) error {
	text, err := os.ReadFile(filepath.Join(dir, list))
	if err != nil {
		return err
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		told, name, found := strings.Cut(line, "  ")
		if !found || strings.HasPrefix(name, "/") || strings.Contains(name, "..") {
			return fmt.Errorf("%s names %q", list, name)
		}
		is, err := digest(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if is != told {
			return fmt.Errorf("%s is another file than %s says", name, list)
		}
		listed[name] = true
	}
	return nil
}

func digest(path string) (string, error) {
	bytes, err := os.ReadFile(path)
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:]), err
}
