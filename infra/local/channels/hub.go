package channels

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// hub knows who listens to what. Everything that is sent is queued under its
// lock, so that all subscribers of a channel see its events in one order.
type hub struct {
	onEvent  func(Event)
	activity time.Duration

	mu       sync.Mutex
	sockets  map[string]*socket
	channels map[string]*channel
}

// A channel exists while somebody is subscribed to it.
type channel struct {
	// subscribers and the member that each of them is on a presence channel.
	subscribers map[*socket]member
}

// A member of a presence channel.
type member struct {
	ID   string          `json:"user_id"`
	Info json.RawMessage `json:"user_info,omitempty"`
}

func newHub(onEvent func(Event), activity time.Duration) *hub {
	if onEvent == nil {
		onEvent = func(Event) {}
	}
	return &hub{
		onEvent: onEvent, activity: activity,
		sockets: map[string]*socket{}, channels: map[string]*channel{},
	}
}

func (h *hub) join(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sockets[s.id] = s
}

func (h *hub) leave(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, s.id)
	for name := range h.channels {
		h.remove(s, name)
	}
}

// publish queues events for their subscribers, in their order.
func (h *hub) publish(events []Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		h.onEvent(e)
		h.broadcast(message{Event: e.Name, Channel: e.Channel, Data: text(e.Data)}, e.except)
	}
}

// broadcast needs the lock.
func (h *hub) broadcast(m message, except string) {
	c, ok := h.channels[m.Channel]
	if !ok {
		return
	}
	encoded := m.encode()
	for s := range c.subscribers {
		if s.id != except {
			s.queue(encoded)
		}
	}
}

// subscribe answers with what the client is to be told.
func (h *hub) subscribe(s *socket, name string, m member) message {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.channels[name]
	if !ok {
		c = &channel{subscribers: map[*socket]member{}}
		h.channels[name] = c
	}
	if _, already := c.subscribers[s]; already {
		return failure(0, "Existing subscription to channel "+name)
	}
	succeeded := internal("subscription_succeeded", name, struct{}{})
	if isPresence(name) {
		members := c.members()
		if _, known := members[m.ID]; !known {
			if len(members) >= maxMembers {
				return refusal(name, "LimitReached", "The channel is full.", codeOverConnections)
			}
			h.broadcast(internal("member_added", name, m), "")
		}
		c.subscribers[s] = m
		succeeded.Data = object(map[string]any{"presence": c.presence()})
	}
	c.subscribers[s] = m
	// Queued here and not by the caller: no event may come before it.
	s.queue(succeeded.encode())
	return message{}
}

func (h *hub) unsubscribe(s *socket, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(s, name)
}

// remove needs the lock.
func (h *hub) remove(s *socket, name string) {
	c, ok := h.channels[name]
	if !ok {
		return
	}
	m, subscribed := c.subscribers[s]
	if !subscribed {
		return
	}
	delete(c.subscribers, s)
	if len(c.subscribers) == 0 {
		delete(h.channels, name)
		return
	}
	if _, stays := c.members()[m.ID]; isPresence(name) && !stays {
		h.broadcast(internal("member_removed", name, member{ID: m.ID}), "")
	}
}

// relay passes a client's event on to the others, if the client is subscribed.
func (h *hub) relay(from *socket, m message) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.channels[m.Channel]
	if !ok {
		return false
	}
	sender, subscribed := c.subscribers[from]
	if !subscribed {
		return false
	}
	m.UserID = sender.ID
	h.broadcast(m, from.id)
	return true
}

// identify says whose connection this is from now on.
func (h *hub) identify(s *socket, user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.user = user
}

// terminate ends every connection that signed in as user.
func (h *hub) terminate(user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sockets {
		if s.user == user && user != "" {
			s.end(codeUnauthorized, "You got disconnected by the app.")
		}
	}
}

func (h *hub) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sockets {
		s.cancel()
	}
}

// info of a channel.
type info struct{ subscriptions, users int }

func (h *hub) info(name string) info {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.infoOf(name)
}

func (h *hub) infoOf(name string) info {
	c, ok := h.channels[name]
	if !ok {
		return info{}
	}
	if !isPresence(name) {
		return info{subscriptions: len(c.subscribers)}
	}
	return info{subscriptions: len(c.subscribers), users: len(c.members())}
}

// occupied lists channels by prefix.
func (h *hub) occupied(prefix string) map[string]info {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := map[string]info{}
	for name := range h.channels {
		if strings.HasPrefix(name, prefix) && !strings.HasPrefix(name, serverToUser) {
			found[name] = h.infoOf(name)
		}
	}
	return found
}

// users lists who is on a presence channel.
func (h *hub) users(name string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.channels[name]
	if !ok {
		return nil
	}
	return slices.Sorted(maps.Keys(c.members()))
}

// members are people, who may have several connections.
func (c *channel) members() map[string]json.RawMessage {
	people := map[string]json.RawMessage{}
	for _, m := range c.subscribers {
		people[m.ID] = m.Info
	}
	return people
}

// presence is what a new member is told of the others.
func (c *channel) presence() map[string]any {
	members := c.members()
	return map[string]any{
		"ids": slices.Sorted(maps.Keys(members)), "hash": members, "count": len(members),
	}
}
