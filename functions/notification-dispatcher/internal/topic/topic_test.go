package topic

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

func TestParseTakesWhatStringWritesAndNothingElse(t *testing.T) {
	t.Parallel()
	school, user := uuid.New(), uuid.New()
	for _, kind := range []Kind{Private, Encrypted, Presence} {
		all := Of(kind, school)
		for _, c := range []Channel{all, all.To(user), all.About("a"), all.About("z"),
			all.About("news_09"), all.About("a" + strings.Repeat("b", 39))} {
			if got, ok := Parse(c.String()); !ok || got != c {
				t.Errorf("%s is read as %+v, %v", c, got, ok)
			}
		}
	}
	own := "private-org-" + school.String()
	for _, name := range []string{"", "private-", "private-org-", own[:len(own)-1], own + "-",
		strings.TrimPrefix(own, "private-"), strings.Replace(own, "private-", "public-", 1),
		"private-org-" + uuid.Nil.String(), "private-org-" + strings.ToUpper(school.String()),
		own + "-user-", own + "-user-" + uuid.Nil.String(),
		own + "-user-" + strings.ToUpper(user.String()),
		own + "-user-" + user.String() + "-topic-news", own + "-topic-", own + "-topic-_a",
		own + "-topic-0a", own + "-topic-`", own + "-topic-{", own + "-topic-a/", own + "-topic-a:",
		own + "-topic-a`", own + "-topic-a{", own + "-topic-A",
		own + "-topic-a" + strings.Repeat("b", 40)} {
		if c, ok := Parse(name); ok {
			t.Errorf("%q is read as %+v", name, c)
		}
	}
}

func TestWhoMayHearWhat(t *testing.T) {
	t.Parallel()
	rules, err := NewRules([]string{"news:member", "budget:admin"})
	if err != nil {
		t.Fatal(err)
	}
	school, user := uuid.New(), uuid.New()
	all := Of(Private, school)
	for _, c := range []struct {
		channel Channel
		least   tenant.Role // "": nobody
	}{
		{all, tenant.Member}, {all.To(user), tenant.Member}, {all.To(uuid.New()), ""},
		{all.About("news"), tenant.Member}, {all.About("files"), tenant.Staff},
		{all.About("budget"), tenant.Admin}, {all.About("unheard_of"), ""},
		{Of(Private, uuid.New()), ""}, {Of(Private, uuid.New()).To(user), ""},
		{Of(Private, uuid.New()).About("news"), ""},
	} {
		for _, role := range append(tenant.Roles(), "") {
			by := tenant.Caller{Organization: school, User: user, Role: role}
			want := c.least != "" && (role.AtLeast(c.least) || c.channel.User == user)
			if got := rules.MayHear(by, c.channel); got != want {
				t.Errorf("%q hears %s: %v, want %v", role, c.channel, got, want)
			}
		}
	}
	if rules.MayHear(tenant.Caller{Role: tenant.Admin}, Channel{Kind: Private}) {
		t.Error("a caller of no organization hears something")
	}
	for _, wrong := range []string{"files:member", "news", "news:", "News:member", "news:pupil"} {
		if _, err := NewRules([]string{wrong}); err == nil {
			t.Errorf("the rule %q was taken", wrong)
		}
	}
}

func TestWhereAFactGoes(t *testing.T) {
	t.Parallel()
	school, user := uuid.New(), uuid.New()
	file, ok := Find("file.available")
	if !ok {
		t.Fatal("there is no template of file.available")
	}
	own := "private-org-" + school.String()
	for concerned, want := range map[uuid.UUID]string{
		user:     own + "-user-" + user.String() + " " + own + "-topic-files",
		uuid.Nil: own + "-topic-files",
	} {
		var names []string
		for _, c := range file.Channels(school, concerned) {
			names = append(names, c.String())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("of %s it goes to %s, want %s", concerned, got, want)
		}
	}
	for _, unknown := range []string{"file", "lesson.started", ""} {
		if _, ok := Find(unknown); ok {
			t.Errorf("%q has a template", unknown)
		}
	}
}

func TestOnlyPlainFieldsArePublic(t *testing.T) {
	t.Parallel()
	file, _ := Find("file.available")
	public := file.Public(map[string]any{"status": "available", "size": 5, "permanent": true,
		"reason": "Zoë's letter", "was": map[string]any{"a": 1}, "filename": "zoe.pdf",
		"width": nil})
	if len(public) != 3 || public["status"] != "available" || public["size"] != 5 ||
		public["permanent"] != true {
		t.Errorf("public is %v", public)
	}
}

func TestTopicsAndMutes(t *testing.T) {
	t.Parallel()
	long := "a." + strings.Repeat("b", 98)
	for name, want := range map[string]struct{ topic, mute bool }{
		"file.available": {true, true}, "file.*": {false, true}, long: {true, true},
		long + "b": {}, "file": {}, "*": {}, ".*": {}, "File.a": {}, "": {},
	} {
		if ValidTopic(name) != want.topic || ValidMute(name) != want.mute {
			t.Errorf("%q: topic %v, mute %v", name, ValidTopic(name), ValidMute(name))
		}
	}
	for mute, want := range map[string]bool{"file.available": true, "file.*": true,
		"file.error": false, "task.*": false} {
		if Muted("file.available", []string{mute}) != want {
			t.Errorf("%s mutes file.available: %v", mute, !want)
		}
	}
}

func TestPriorities(t *testing.T) {
	t.Parallel()
	for _, p := range []Priority{Low, Normal, High, Urgent} {
		if got, err := ParsePriority(p.String()); err != nil || got != p {
			t.Errorf("%s is read as %v, %v", p, got, err)
		}
	}
	if _, err := ParsePriority("normally"); err == nil {
		t.Error("a priority that there is not was taken")
	}
}
