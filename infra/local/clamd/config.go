package clamd

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// eicarSignature matches the EICAR test file anywhere in a file of any type. It
// is spelled in two halves so that no scanner takes this source for the file.
func eicarSignature() string {
	eicar := `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`
	return "Eicar-Test-Signature:0:*:" + hex.EncodeToString([]byte(eicar)) + "\n"
}

// chooseDatabase returns the directory that clamd loads signatures from: the
// machine's, when it holds an official database that can be read, or one made
// below dir that knows EICAR only.
func chooseDatabase(machine, dir string) (database string, full bool, err error) {
	for _, name := range []string{"main.cvd", "main.cld", "daily.cvd", "daily.cld"} {
		if f, err := os.Open(filepath.Join(machine, name)); err == nil {
			f.Close()
			return machine, true, nil
		}
	}
	database = filepath.Join(dir, "signatures")
	if err := os.Mkdir(database, 0o755); err != nil {
		return "", false, fmt.Errorf("make a signature directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(database, "eicar.ndb"), []byte(eicarSignature()),
		0o644); err != nil {
		return "", false, fmt.Errorf("write the test signature: %w", err)
	}
	return database, false, nil
}

// maxStream keeps MaxFileSize below the 2 GiB that clamd cuts it to.
const maxStream = 1 << 30

// configuration is the clamd.conf of a scanner that never answers OK for what
// it has not looked into.
//
// MaxScanSize is the limit that is meant. MaxFileSize lies above it, because
// clamd 1.4 cuts a zip entry longer than MaxFileSize to that length and answers
// OK even with AlertExceedsMax; past MaxScanSize it does alert. Four times the
// stream leaves room for what an archive or a document unpacks to.
func configuration(port int, database, dir string, stream int64) []byte {
	scan := min(4*stream, maxStream)
	return fmt.Appendf(nil, `TCPAddr 127.0.0.1
TCPSocket %d
DatabaseDirectory %s
TemporaryDirectory %s
StreamMaxLength %d
MaxScanSize %d
MaxFileSize %d
AlertExceedsMax yes
AlertEncrypted yes
MaxThreads 4
SelfCheck 3600
`, port, database, dir, stream, scan, 2*scan-1)
}
