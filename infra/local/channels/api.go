package channels

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var socketID = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)

// outgoing is an event as the HTTP API takes it: with one channel in a batch, with several alone.
type outgoing struct {
	Name     string   `json:"name"`
	Channel  string   `json:"channel"`
	Channels []string `json:"channels"`
	Data     *string  `json:"data"`
	SocketID string   `json:"socket_id"`
	Info     string   `json:"info"`
}

// refused is an answer to a request that is wrong in itself.
type refused struct {
	status int
	why    string
}

func bad(why string) *refused { return &refused{http.StatusBadRequest, why} }

// check says what is wrong with an event, nil for nothing.
func (o *outgoing) check() *refused {
	if o.Channel != "" {
		o.Channels = append(o.Channels, o.Channel)
	}
	switch {
	case o.Name == "" || len(o.Name) > maxName:
		return bad("An event needs a name of at most 200 characters.")
	case o.Data == nil:
		return bad("An event needs data, a string.")
	case len(o.Channels) == 0 || len(o.Channels) > maxChannels:
		return bad("An event needs at least one and at most 100 channels.")
	case o.SocketID != "" && !socketID.MatchString(o.SocketID):
		return bad("Invalid socket id.")
	case len(*o.Data) > maxData:
		return &refused{
			http.StatusRequestEntityTooLarge, "The data of this event exceeds 10240 bytes.",
		}
	}
	for _, name := range o.Channels {
		if !validChannel(name) {
			return bad("Invalid channel name.")
		}
		if isEncrypted(name) && len(o.Channels) > 1 {
			return bad("An event for an encrypted channel goes to that channel only.")
		}
	}
	return nil
}

func (o *outgoing) events() []Event {
	var events []Event
	for _, name := range o.Channels {
		e := Event{Channel: name, Name: o.Name, Data: *o.Data, except: o.SocketID}
		events = append(events, e)
	}
	return events
}

func (s *Server) postEvent(w http.ResponseWriter, _ *http.Request, body []byte) {
	var one outgoing
	if err := json.Unmarshal(body, &one); err != nil {
		http.Error(w, "The body is no JSON of the expected shape.", http.StatusBadRequest)
		return
	}
	if !s.accept(w, []outgoing{one}) {
		return
	}
	result := map[string]any{}
	if one.Info != "" {
		result["channels"] = s.describe(append(one.Channels, one.Channel), one.Info)
	}
	respond(w, result)
}

func (s *Server) postBatch(w http.ResponseWriter, _ *http.Request, body []byte) {
	var in struct {
		Batch []outgoing `json:"batch"`
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Batch) == 0 {
		http.Error(w, "The body is no JSON of the expected shape.", http.StatusBadRequest)
		return
	}
	if len(in.Batch) > maxBatch {
		http.Error(w, "A batch has at most 10 events.", http.StatusBadRequest)
		return
	}
	if !s.accept(w, in.Batch) {
		return
	}
	result := map[string]any{}
	var batch []any
	for _, o := range in.Batch {
		batch = append(batch, s.describe([]string{o.Channel}, o.Info)[o.Channel])
		if o.Info != "" {
			result["batch"] = batch
		}
	}
	respond(w, result)
}

// accept publishes all of the events or, having answered, none.
func (s *Server) accept(w http.ResponseWriter, batch []outgoing) bool {
	var events []Event
	for _, o := range batch {
		if r := o.check(); r != nil {
			http.Error(w, r.why, r.status)
			return false
		}
		events = append(events, o.events()...)
	}
	if wait, ok := s.quota.take(len(events), s.now()); !ok {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		http.Error(w, "Over the quota of events.", http.StatusTooManyRequests)
		return false
	}
	s.hub.publish(events)
	return true
}

// describe gives each channel the attributes that are asked for.
func (s *Server) describe(names []string, attributes string) map[string]map[string]any {
	described := map[string]map[string]any{}
	for _, name := range names {
		if name != "" {
			described[name] = attribute(s.hub.info(name), attributes)
		}
	}
	return described
}

func attribute(i info, attributes string) map[string]any {
	values := map[string]any{}
	for name := range strings.SplitSeq(attributes, ",") {
		switch name {
		case "user_count":
			values[name] = i.users
		case "subscription_count":
			values[name] = i.subscriptions
		}
	}
	return values
}

func (s *Server) getChannels(w http.ResponseWriter, r *http.Request, _ []byte) {
	prefix, attributes := r.URL.Query().Get("filter_by_prefix"), r.URL.Query().Get("info")
	if strings.Contains(attributes, "user_count") && !isPresence(prefix) {
		http.Error(w, "user_count needs filter_by_prefix=presence-.", http.StatusBadRequest)
		return
	}
	found := map[string]any{}
	for name, i := range s.hub.occupied(prefix) {
		found[name] = attribute(i, attributes)
	}
	respond(w, map[string]any{"channels": found})
}

func (s *Server) getChannel(w http.ResponseWriter, r *http.Request, _ []byte) {
	name, attributes := r.PathValue("channel"), r.URL.Query().Get("info")
	if strings.Contains(attributes, "user_count") && !isPresence(name) {
		http.Error(w, "Only a presence channel has user_count.", http.StatusBadRequest)
		return
	}
	i := s.hub.info(name)
	values := attribute(i, attributes)
	values["occupied"] = i.subscriptions > 0
	respond(w, values)
}

func (s *Server) getUsers(w http.ResponseWriter, r *http.Request, _ []byte) {
	name := r.PathValue("channel")
	if !isPresence(name) {
		http.Error(w, "Only a presence channel has users.", http.StatusBadRequest)
		return
	}
	users := []map[string]string{}
	for _, id := range s.hub.users(name) {
		users = append(users, map[string]string{"id": id})
	}
	respond(w, map[string]any{"users": users})
}

func (s *Server) terminate(w http.ResponseWriter, r *http.Request, _ []byte) {
	s.hub.terminate(r.PathValue("user"))
	respond(w, map[string]any{})
}

func respond(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a client that has gone
}
